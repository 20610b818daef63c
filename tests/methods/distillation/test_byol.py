"""BYOL: its loss, its teacher, and collapse without the predictor or the stop-gradient."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ssl_jax.methods.distillation import byol
from ssl_jax.report.collapse import verdict
from tests import tiny
from tests.methods.case import Case

CASE = Case(
    {
        "momentum": 0.9,
        "projector": (16, 8),
        "predictor": (16,),
        "augment": {"area": (0.5, 1.0)},
    }
)

STEPS = 120


def make(steps: int = STEPS, momentum: float = 0.9):
    config = tiny.config(
        name="byol",
        momentum=momentum,
        projector=(32, 16),
        predictor=(32,),
        augment={"area": (0.5, 1.0)},
    )
    config.train.steps = steps
    config.optimizer.update({"learning_rate": 0.1, "weight_decay": 0.1})
    dataset = tiny.data()
    config = tiny.resolved(config, dataset)
    batch = tiny.batch(dataset)
    return byol.make(config), config, batch


@pytest.mark.slow
def test_training_does_not_collapse():
    assert verdict(tiny.rows(*make()), {}).healthy


class Identity(nnx.Module):
    """A predictor that returns its input."""

    def __init__(self, *_, **__):
        pass

    def __call__(self, x, *, train):
        return x


def test_collapses_without_a_predictor(monkeypatch):
    monkeypatch.setattr(byol, "MLP", Identity)
    judged = verdict(tiny.rows(*make(momentum=0.0)), {})
    assert not judged.healthy
    assert judged.text.startswith("collapsed since step ")


@pytest.mark.slow
def test_collapses_without_stop_gradient(monkeypatch):
    monkeypatch.setattr(jax.lax, "stop_gradient", lambda x: x)
    method, config, batch = make()

    def loss(params, extra, views, key, step):
        teacher = extra["teacher"] | {"params": params["encoder"]}
        return method.loss(params, extra | {"teacher": teacher}, views, key, step)

    rows = tiny.rows(method._replace(loss=loss), config, batch)
    assert not any(row["skipped"] for row in rows)
    judged = verdict(rows, {})
    assert not judged.healthy
    assert judged.text.startswith("collapsed since step ")


def test_loss_compares_each_prediction_with_the_target_of_the_other_view():
    method, config, batch = make()
    params, extra = method.init(jax.random.key(0), batch)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    teacher = jax.tree.map(lambda x: x * 1.1, extra["teacher"]["params"])
    extra["teacher"]["params"] = teacher
    value, _ = jax.jit(method.loss)(params, extra, views, jax.random.key(2), jnp.int32(0))

    encoder = byol.from_module(lambda rngs: byol.backbone_and_projector(config, rngs))
    predictor = byol.from_module(lambda rngs: byol.MLP(16, (32, 16), rngs=rngs))
    images = (views["image"] - np.array(config.data.mean)) / np.array(config.data.std)
    images = jnp.concatenate(list(images.astype(jnp.float32)))

    @jax.jit
    def z(params, stats):
        return encoder.apply(params, stats, images, train=True)[0]["z"]

    student = z(params["encoder"], extra["encoder"])
    p = predictor.apply(params["predictor"], extra["predictor"], student, train=True)[0]
    p, z = (np.asarray(x, np.float64) for x in (p, z(teacher, extra["teacher"]["stats"])))
    p, z = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (p, z))
    n = tiny.BATCH
    squares = ((p[:n] - z[n:]) ** 2).sum(1) + ((p[n:] - z[:n]) ** 2).sum(1)
    np.testing.assert_allclose(value, squares.mean(), rtol=1e-4)


def test_teacher_momentum_follows_the_schedule():
    method, _, batch = make(steps=4, momentum=0.8)
    params, extra = method.init(jax.random.key(0), batch)
    moved = jax.tree.map(lambda x: x + 1, params)
    for step, momentum in ((0, 0.8), (2, 0.9), (4, 1.0)):
        _, after = method.update(moved, extra, jnp.int32(step))
        expected = jax.tree.map(lambda x, m=momentum: x + (1 - m), params["encoder"])
        chex.assert_trees_all_close(after["teacher"]["params"], expected, atol=1e-6)
