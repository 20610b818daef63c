"""The step skips updates that are not finite, donates its state, and is random by its number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ssl_jax.methods.base import Method, no_update
from ssl_jax.train import optim
from ssl_jax.train.state import create
from ssl_jax.train.step import make_step
from tests import tiny

BATCH = {"x": np.arange(16, dtype=np.float32).reshape(16, 1)}


def init(key, batch):
    del key, batch
    return {"w": jnp.ones((1, 1))}, {"seen": jnp.zeros(())}


def views(key, batch):
    return {"x": (batch["x"] + jax.random.normal(key, ()))[None]}


def loss(params, extra, views, key, step):
    poison = jnp.where(step == 1, jnp.nan, 1.0)
    value = (views["x"][0] @ params["w"]).mean() * poison
    noise = jax.random.normal(key, ())
    return value, ({"seen": extra["seen"] + 1}, {"noise": noise})


def embed(params, extra, batch):
    del params, extra
    return {"features": batch["x"]}


METHOD = Method(init, views, loss, no_update, embed)


@pytest.fixture(scope="module")
def history():
    config = tiny.config()
    config.optimizer.update({"name": "sgd", "warmup": 0.0})
    optimizer, placement = optim.make(config), tiny.placement(8)
    state = placement.put_state(create(METHOD, optimizer, jax.random.key(0), BATCH))
    first, untouched = state, create(METHOD, optimizer, jax.random.key(0), BATCH)
    step = make_step(METHOD, optimizer, placement, state)
    key = placement.put_state(jax.random.key(7))
    states, metrics = [untouched], []
    for _ in range(3):
        state, row = step(key, state, placement.put_batch(BATCH))
        states.append(jax.device_get(state))
        metrics.append(jax.device_get(row))
    return first, states, metrics


def test_an_update_that_is_not_finite_is_skipped_and_counted(history):
    _, states, metrics = history
    assert [float(row["skipped"]) for row in metrics] == [0, 1, 0]
    assert np.isnan(metrics[1]["loss"])
    np.testing.assert_array_equal(states[1].params["w"], states[2].params["w"])
    assert not np.array_equal(states[0].params["w"], states[1].params["w"])
    assert not np.array_equal(states[2].params["w"], states[3].params["w"])
    assert [float(s.extra["seen"]) for s in states] == [0, 1, 1, 2]
    assert [int(s.step) for s in states] == [0, 1, 2, 3]


def test_randomness_depends_on_the_key_and_the_number_of_the_step(history):
    _, states, metrics = history
    for step, row in enumerate(metrics):
        view_key, loss_key = jax.random.split(jax.random.fold_in(jax.random.key(7), step))
        np.testing.assert_array_equal(row["noise"], jax.random.normal(loss_key, ()))
        if step != 1:
            x = BATCH["x"].mean() + jax.random.normal(view_key, ())
            np.testing.assert_allclose(row["loss"], x * states[step].params["w"][0, 0], rtol=1e-5)
            np.testing.assert_allclose(row["gradient_norm"], abs(x), rtol=1e-5)


def test_the_input_state_is_donated(history):
    assert history[0].params["w"].is_deleted()


def test_the_step_is_traced_once_even_if_init_returns_weak_types():
    traced = []

    def weak(key, batch):
        del key, batch
        return {"w": jnp.full((1, 1), 1.0)}, {"seen": jnp.full((), 0.0)}

    def counted(*arguments):
        traced.append(1)
        return loss(*arguments)

    config = tiny.config()
    config.optimizer.update({"name": "sgd", "warmup": 0.0})
    method = METHOD._replace(init=weak, loss=counted)
    optimizer, placement = optim.make(config), tiny.placement(8)
    state = placement.put_state(create(method, optimizer, jax.random.key(0), BATCH))
    step = make_step(method, optimizer, placement, state)
    key = placement.put_state(jax.random.key(7))
    for _ in range(2):
        state, _ = step(key, state, placement.put_batch(BATCH))
    assert len(traced) == 1
