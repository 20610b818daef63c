"""A teacher starts as a copy of the student and then follows it as a moving average."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.methods.common.teacher import follow, following, start


def test_teacher_starts_as_a_copy():
    params, stats = {"w": jnp.ones(3)}, {"mean": jnp.zeros(2)}
    teacher = start(params, stats)
    chex.assert_trees_all_equal(teacher, {"params": params, "stats": stats})
    assert teacher["params"]["w"] is not params["w"]


def test_follow_averages_and_keeps_the_teacher_dtype():
    teacher, student = {"w": jnp.zeros(3, jnp.bfloat16)}, {"w": jnp.ones(3)}
    followed = follow(teacher, student, 0.75)["w"]
    assert followed.dtype == jnp.bfloat16
    np.testing.assert_array_equal(np.asarray(followed, np.float32), 0.25)


def test_following_moves_only_the_teacher_params_with_the_momentum_of_the_step():
    update = following(lambda step: step / 4, student=lambda params: params["encoder"])
    params = {"encoder": {"w": jnp.ones(2)}, "predictor": jnp.zeros(1)}
    extra = {"teacher": {"params": {"w": jnp.zeros(2)}, "stats": jnp.ones(1)}, "queue": jnp.ones(1)}
    same, moved = jax.jit(update)(params, extra, jnp.int32(3))
    chex.assert_trees_all_equal(same, params)
    np.testing.assert_allclose(moved["teacher"]["params"]["w"], 0.25)
    chex.assert_trees_all_equal(moved["queue"], extra["queue"])
    chex.assert_trees_all_equal(moved["teacher"]["stats"], extra["teacher"]["stats"])
