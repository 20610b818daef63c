"""Optimizers match their formulas, and schedules their closed forms."""

import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ssl_jax.errors import InputError
from ssl_jax.train import optim
from tests import tiny

PARAMS = {"kernel": np.float32([[3.0, 0.0], [0.0, 4.0]]), "bias": np.float32([1.0, -2.0])}
GRADIENT = {"kernel": np.float32([[0.0, 1.0], [2.0, 2.0]]), "bias": np.float32([0.5, 0.25])}


def config(name: str, **settings):
    base = tiny.config()
    base.data.batch_size = 512
    base.train.steps = 100
    base.optimizer.update({"name": name, "warmup": 0.1, "learning_rate": 0.3, **settings})
    return base


def test_the_schedule_warms_up_linearly_and_then_follows_half_a_cosine():
    rate = optim.schedule(config("sgd"))
    peak = 0.3 * 512 / 256
    np.testing.assert_allclose(rate(0), 0.0)
    np.testing.assert_allclose(rate(5), peak / 2, rtol=1e-6)
    np.testing.assert_allclose(rate(10), peak, rtol=1e-6)
    np.testing.assert_allclose(rate(55), peak / 2, rtol=1e-5)
    np.testing.assert_allclose(rate(100), 0.0, atol=1e-7)


def test_a_constant_schedule_stays_at_its_peak_after_warm_up():
    rate = optim.schedule(config("sgd", schedule="constant"))
    peak = 0.3 * 512 / 256
    np.testing.assert_allclose([rate(0), rate(5)], [0.0, peak / 2], rtol=1e-6)
    np.testing.assert_allclose([rate(s) for s in (10, 55, 100)], peak, rtol=1e-6)


def test_a_cosine_may_end_above_zero_whatever_the_batch_size():
    base = config("sgd", learning_rate_end=0.05)
    peak = 0.3 * 512 / 256
    for size, expected in ((512, peak), (256, peak / 2)):
        base.data.batch_size = size
        rate = optim.schedule(base)
        np.testing.assert_allclose([rate(10), rate(100)], [expected, 0.05], rtol=1e-6)
        np.testing.assert_allclose(rate(55), (expected + 0.05) / 2, rtol=1e-5)


def test_steps_divide_the_rate_by_ten():
    rate = jax.jit(optim.schedule(config("sgd", schedule="steps", drops=(0.3, 0.6))))
    peak = 0.3 * 512 / 256
    expected = {0: 0.0, 5: peak / 2, 10: peak, 29: peak, 30: peak / 10, 59: peak / 10}
    expected |= {60: peak / 100, 100: peak / 100}
    for step, value in expected.items():
        np.testing.assert_allclose(rate(step), value, rtol=1e-5)


@pytest.mark.parametrize("kind", ["cosine", "constant", "steps"])
def test_without_warm_up_the_rate_starts_at_its_peak(kind):
    rate = optim.schedule(config("sgd", schedule=kind, warmup=0.0))
    np.testing.assert_allclose(rate(0), 0.3 * 512 / 256, rtol=1e-6)


PRESETS = [
    (path.stem, preset)
    for path in sorted((Path(__file__).parents[2] / "configs").glob("*.py"))
    for preset in ("smoke", "default", "paper")
    if path.stem not in ("common", "__init__")
]


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_trains_all_of_its_parameters(name, preset):
    """In each group of parameters, the learning rate is 0 for at most one step."""
    base = importlib.import_module(f"configs.{name}").get_config(preset)
    base = base.copy_and_resolve_references().unlock()
    base.train.steps = base.train.steps or 1000
    groups = dict(base.optimizer.groups)
    for block in [{}, *(group.to_dict() for group in groups.values())]:
        changed = base.copy_and_resolve_references().unlock()
        changed.optimizer.update(block)
        steps = jnp.arange(min(base.train.steps, 200))
        rates = np.broadcast_to(optim.schedule(changed)(steps), steps.shape)
        peak = changed.optimizer.learning_rate * base.data.batch_size / 256
        assert np.count_nonzero(rates) >= len(rates) - 1, block
        assert rates.max() <= peak * (1 + 1e-6)


def test_lars_has_the_authors_trust_coefficient():
    """It is called `EETA_DEFAULT` in SimCLR's code and `eta` in BYOL's."""
    for name, arg in (("simclr", "paper"), ("simclr", "paper,data=cifar10"), ("byol", "paper")):
        chosen = importlib.import_module(f"configs.{name}").get_config(arg).optimizer
        assert (chosen.name, chosen.trust_coefficient) == ("lars", 0.001)


def test_the_schedule_of_a_single_step_is_finite():
    base = config("sgd", warmup=1.0)
    base.train.steps = 1
    assert np.isfinite(optim.schedule(base)(0))


def updates(name: str, steps: int, **settings):
    """Returns the update of each step, for constant parameters and gradients."""
    optimizer = optim.make(config(name, **settings))
    params = {name: jnp.asarray(value) for name, value in PARAMS.items()}
    state, history = optimizer.init(params), []
    for _ in range(steps):
        update, state = optimizer.update(GRADIENT, state, params)
        history.append(update)
    return history


def rates(steps: int) -> list[float]:
    return [0.6 * step / 10 for step in range(steps)]


@pytest.mark.parametrize("settings", [{}, {"trust_coefficient": 0.02}])
def test_lars_adapts_and_decays_only_matrices(settings):
    decay, momentum = 0.1, 0.9
    expected_kernel, expected_bias = np.zeros((2, 2)), np.zeros(2)
    history = updates("lars", 3, weight_decay=decay, momentum=momentum, **settings)
    coefficient = settings.get("trust_coefficient", 0.001)
    for rate, update in zip(rates(3), history, strict=True):
        direction = GRADIENT["kernel"] + decay * PARAMS["kernel"]
        trust = coefficient * np.linalg.norm(PARAMS["kernel"]) / np.linalg.norm(direction)
        expected_kernel = momentum * expected_kernel - rate * trust * direction
        expected_bias = momentum * expected_bias - rate * GRADIENT["bias"]
        np.testing.assert_allclose(update["kernel"], expected_kernel, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(update["bias"], expected_bias, rtol=1e-5, atol=1e-8)


def test_sgd_decays_only_matrices():
    decay, momentum = 0.1, 0.5
    trace = {"kernel": np.zeros((2, 2)), "bias": np.zeros(2)}
    history = updates("sgd", 3, weight_decay=decay, momentum=momentum)
    for rate, update in zip(rates(3), history, strict=True):
        trace["kernel"] = momentum * trace["kernel"] + GRADIENT["kernel"] + decay * PARAMS["kernel"]
        trace["bias"] = momentum * trace["bias"] + GRADIENT["bias"]
        for name in trace:
            np.testing.assert_allclose(update[name], -rate * trace[name], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", optim.OPTIMIZERS)
def test_everything_decays_if_so_configured(name):
    """As in PyTorch's optimizers, with which the authors of MoCo and SimSiam train."""
    settings = {"weight_decay": 0.1, "momentum": 0.0}
    matrices, everything = (
        updates(name, 2, weight_decay_of=of, **settings)[1] for of in ("matrices", "all")
    )
    np.testing.assert_array_equal(matrices["kernel"], everything["kernel"])
    decayed = everything["bias"] - matrices["bias"]
    np.testing.assert_allclose(decayed, -0.06 * 0.1 * PARAMS["bias"], rtol=1e-4)


def test_adamw_decays_only_matrices():
    history = updates("adamw", 3, weight_decay=0.1)
    for rate, update in zip(rates(3), history, strict=True):
        direction = GRADIENT["kernel"] / (np.abs(GRADIENT["kernel"]) + 1e-8)
        expected = -rate * (direction + 0.1 * PARAMS["kernel"])
        np.testing.assert_allclose(update["kernel"], expected, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(update["bias"], [-rate, -rate], rtol=1e-4, atol=1e-7)


def test_every_optimizer_is_a_valid_setting_and_no_other_can_be_made():
    for name in optim.OPTIMIZERS:
        assert optim.SETTINGS["name"].accepts(name)
    with pytest.raises(KeyError):
        optim.make(config("adam"))


def test_weight_decay_reaches_its_end_along_half_a_cosine():
    history = updates("sgd", 3, weight_decay=0.1, weight_decay_end=0.5, momentum=0.0)
    for step, (rate, update) in enumerate(zip(rates(3), history, strict=True)):
        decay = 0.5 - 0.4 * (np.cos(np.pi * step / 100) + 1) / 2
        expected = -rate * (GRADIENT["kernel"] + decay * PARAMS["kernel"])
        np.testing.assert_allclose(update["kernel"], expected, rtol=1e-5, atol=1e-8)


def test_clipping_bounds_the_norm_of_the_whole_gradient():
    norm = np.sqrt(sum((value**2).sum() for value in GRADIENT.values()))
    for clip, factor in ((0.5 * norm, 0.5), (2 * norm, 1.0)):
        update = updates("sgd", 2, weight_decay=0.0, momentum=0.0, clip_norm=float(clip))[1]
        for name, value in GRADIENT.items():
            np.testing.assert_allclose(update[name], -0.06 * factor * value, rtol=1e-5)


def test_betas_are_those_of_adam():
    gradients = [1.0, 3.0, -2.0]
    optimizer = optim.make(config("adamw", betas=(0.5, 0.9), weight_decay=0.0))
    params = {"bias": jnp.zeros(1)}
    state, first, second = optimizer.init(params), 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        update, state = optimizer.update({"bias": jnp.full(1, gradient)}, state, params)
        first = 0.5 * first + 0.5 * gradient
        second = 0.9 * second + 0.1 * gradient**2
        direction = first / (1 - 0.5**step) / np.sqrt(second / (1 - 0.9**step))
        np.testing.assert_allclose(update["bias"], -0.06 * (step - 1) * direction, atol=1e-6)


def test_a_group_has_its_own_optimizer():
    base = config("sgd", weight_decay=0.1, momentum=0.0)
    base.optimizer.groups.critic = {"learning_rate": 0.03, "weight_decay": 0.0}
    optimizer = optim.make(base)
    params = {"critic": PARAMS, "backbone": PARAMS}
    state = optimizer.init(params)
    for rate in rates(3):
        update, state = optimizer.update({"critic": GRADIENT, "backbone": GRADIENT}, state, params)
        expected = -0.1 * rate * GRADIENT["kernel"]
        np.testing.assert_allclose(update["critic"]["kernel"], expected, atol=1e-7)
        expected = -rate * (GRADIENT["kernel"] + 0.1 * PARAMS["kernel"])
        np.testing.assert_allclose(update["backbone"]["kernel"], expected, atol=1e-7)


def test_a_group_may_be_nested():
    base = config("sgd", weight_decay=0.0, momentum=0.0)
    base.optimizer.groups.critic = {"learning_rate": 0.03}
    optimizer = optim.make(base)
    params = {"tasks": {"a": {"critic": PARAMS, "head": PARAMS}, "b": PARAMS}}
    gradient = {"tasks": {"a": {"critic": GRADIENT, "head": GRADIENT}, "b": GRADIENT}}
    _, state = optimizer.update(gradient, optimizer.init(params), params)
    update, _ = optimizer.update(gradient, state, params)
    rate = rates(2)[1]
    for part, factor in (("critic", 0.1), ("head", 1.0)):
        found = update["tasks"]["a"][part]["kernel"]
        np.testing.assert_allclose(found, -factor * rate * GRADIENT["kernel"], atol=1e-7)
    np.testing.assert_allclose(update["tasks"]["b"]["bias"], -rate * GRADIENT["bias"], atol=1e-7)


def test_a_group_that_names_no_parameters_is_refused():
    base = config("sgd")
    base.optimizer.groups.critics = {"learning_rate": 0.03}
    expected = r"^optimizer.groups.critics: there are no such .* one of backbone, critic$"
    with pytest.raises(InputError, match=expected):
        optim.make(base).init({"backbone": PARAMS, "critic": PARAMS})


def test_lower_blocks_get_a_lower_learning_rate():
    params = {
        "backbone": {
            "conv": {"kernel": jnp.ones((2, 2))},
            "norm": {"scale": jnp.ones(2)},
            "stages": {"0": {"0": jnp.ones((2, 2))}, "1": {"0": jnp.ones((2, 2))}},
        },
        "head": {"kernel": jnp.ones((2, 2))},
    }
    scaled, _ = optim.by_depth(0.5).update(params, optax.EmptyState())
    assert jax.tree.structure(scaled) == jax.tree.structure(params)
    expected = {"conv": 1 / 8, "norm": 1 / 8}
    for name, factor in expected.items():
        (leaf,) = jax.tree.leaves(scaled["backbone"][name])
        np.testing.assert_allclose(leaf, np.full(leaf.shape, factor))
    for index, factor in (("0", 1 / 4), ("1", 1 / 2)):
        np.testing.assert_allclose(
            scaled["backbone"]["stages"][index]["0"], np.full((2, 2), factor)
        )
    np.testing.assert_allclose(scaled["head"]["kernel"], np.ones((2, 2)))


def test_the_decay_by_depth_comes_after_the_optimizer():
    """AdamW divides out any factor of the gradient, so the update itself has to be scaled."""
    params = {"backbone": {"stages": {"0": jnp.ones(2)}}, "head": jnp.ones(2)}
    adamw = optim.make(config("adamw", layer_decay=0.5, warmup=0.0, weight_decay=0.0))
    updates, _ = adamw.update(params, adamw.init(params), params)
    low, high = updates["backbone"]["stages"]["0"], updates["head"]
    np.testing.assert_allclose(low / high, np.full(2, 0.5), rtol=1e-6)


def test_a_vit_s_last_norm_is_not_a_layer():
    """As in MAE's code: the last block has one factor, the class token one per block and one."""
    params = {
        "class_token": jnp.ones((1, 2)),
        "blocks": {"0": jnp.ones(2), "1": jnp.ones(2)},
        "norm": {"scale": jnp.ones(2)},
    }
    scaled, _ = optim.by_depth(0.5).update({"backbone": params}, optax.EmptyState())
    found = jax.tree.map(lambda x: float(x.ravel()[0]), scaled["backbone"])
    expected = {"class_token": 1 / 8, "blocks": {"0": 1 / 4, "1": 1 / 2}, "norm": {"scale": 1.0}}
    assert found == expected
