"""SimSiam: its loss, collapse without stop-gradient, and the sizes of the paper's network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.simsiam import get_config
from ssl_jax import config as settings
from ssl_jax.methods.distillation import simsiam
from ssl_jax.report.collapse import verdict
from tests import tiny
from tests.methods.case import Case

CASE = Case(
    {
        "projector": (16, 16, 8),
        "predictor": (4,),
        "augment": {"area": (0.5, 1.0), "strength": 0.0, "blur": 0.0},
    }
)

STEPS = 120


def make():
    config = tiny.config(
        name="simsiam",
        projector=(32, 32, 16),
        predictor=(8,),
        augment={"area": (0.5, 1.0), "strength": 0.5, "blur": 0.0},
    )
    config.train.steps = STEPS
    config.optimizer.update({"name": "sgd", "learning_rate": 8.0, "weight_decay": 0.01})
    dataset = tiny.data()
    config = tiny.resolved(config, dataset)
    batch = tiny.batch(dataset)
    return simsiam.make(config), config, batch


@pytest.mark.slow
def test_training_does_not_collapse():
    assert verdict(tiny.rows(*make()), {}).healthy


def test_collapses_without_stop_gradient(monkeypatch):
    stop = jax.lax.stop_gradient

    def stop_only_scales(x):
        """Keeps the stop-gradient of ``losses``, which divides rows by their largest entry."""
        return x if x.shape[-1] > 1 else stop(x)

    monkeypatch.setattr(jax.lax, "stop_gradient", stop_only_scales)
    rows = tiny.rows(*make())
    assert not any(row["skipped"] for row in rows)
    assert rows[-1]["loss"] < 0.01
    judged = verdict(rows, {})
    assert not judged.healthy
    assert judged.text.startswith("collapsed since step ")


def dense(x, layer):
    return x @ layer["kernel"] + layer.get("bias", 0)


def norm(x, layer):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * layer["scale"] + layer["bias"]


def test_loss_compares_each_prediction_with_the_projection_of_the_other_view():
    method, config, batch = make()
    params, stats = method.init(jax.random.key(0), batch)
    leaves, shape = jax.tree.flatten(params)
    keys = jax.random.split(
        jax.random.key(3), len(leaves)
    )  # so that no scale is 1 and no shift is 0
    leaves = [x + 0.1 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    params = jax.tree.unflatten(shape, leaves)
    views = jax.jit(method.views)(jax.random.key(1), batch)
    value, _ = jax.jit(method.loss)(params, stats, views, jax.random.key(2), jnp.int32(0))

    network = simsiam.from_module(lambda rngs: simsiam.Siamese(config, rngs))
    images = (views["image"] - np.array(config.data.mean)) / np.array(config.data.std)
    images = jnp.concatenate(list(images.astype(jnp.float32)))
    x = jax.jit(lambda x: network.apply(params, stats, x, train=True)[0]["features"])(images)

    x, g, h = jax.tree.map(
        lambda x: np.asarray(x, np.float64), (x, params["projector"], params["predictor"])
    )
    for number in ("0", "1", "2"):
        x = norm(dense(x, g["layers"][number]), g["norms"][number])
        x = np.maximum(x, 0) if number != "2" else x
    p = np.maximum(norm(dense(x, h["hidden"]["0"]), h["norms"]["0"]), 0)
    p = dense(p, h["last"])
    n, total = tiny.BATCH, 0.0
    for i in range(2 * n):
        z = x[(i + n) % (2 * n)]
        total -= p[i] @ z / np.linalg.norm(p[i]) / np.linalg.norm(z) / 2
    np.testing.assert_allclose(value, 1 + total / n, rtol=1e-4)


def test_paper_preset_has_the_published_sizes():
    facts = {"image_size": 224, "channels": 3, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    config = settings.resolve(get_config("paper"), facts, 1_281_167, 1)
    batch = {"image": jax.ShapeDtypeStruct((8, 224, 224, 3), np.uint8)}
    method = simsiam.make(config)
    params, stats = jax.eval_shape(method.init, jax.random.key(0), batch)
    sizes = {name: sum(x.size for x in jax.tree.leaves(part)) for name, part in params.items()}
    assert sizes == {
        "backbone": 25_557_032
        - (2048 + 1) * 1000,  # torchvision's ResNet-50 without its classifier
        "projector": 3 * (2048 * 2048 + 2 * 2048),
        "predictor": 2048 * 512 + 2 * 512 + (512 + 1) * 2048,
    }
    loss = jax.eval_shape(
        lambda p, e, b, k: method.loss(p, e, method.views(k, b), k, jnp.int32(0))[0],
        params,
        stats,
        batch,
        jax.random.key(0),
    )
    assert loss.shape == ()
