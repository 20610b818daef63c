"""SimCLR: its loss is NT-Xent of two independent views; training with rematerialization."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.methods.common.networks import backbone_and_projector
from ssl_jax.methods.contrastive import simclr
from ssl_jax.nn import backbones, from_module
from ssl_jax.train import optim
from ssl_jax.train.state import create
from ssl_jax.train.step import make_step
from tests import tiny
from tests.methods.case import Case
from tests.references import contrastive

CASE = Case(
    {
        "temperature": 0.2,
        "projector": (16, 8),
        "augment": {"area": (0.5, 1.0), "strength": 0.0, "blur": 0.0},
    }
)


def test_loss_is_nt_xent_of_the_projections_of_both_views():
    dataset = tiny.data(channels=3)
    config = tiny.resolved(
        tiny.config(
            name="simclr",
            temperature=0.3,
            projector=(16, 8),
            augment={"area": (0.5, 1.0), "strength": 1.0, "blur": 0.5},
        ),
        dataset,
    )
    method = simclr.make(config)
    batch = tiny.batch(dataset)
    params, extra = method.init(jax.random.key(0), batch)
    views = method.views(jax.random.key(1), batch)
    assert views["image"].shape == (2, tiny.BATCH, tiny.SIDE, tiny.SIDE, 3)
    assert not np.array_equal(views["image"][0], views["image"][1])
    value, _ = method.loss(params, extra, views, jax.random.key(2), jnp.int32(0))

    network = from_module(lambda rngs: backbone_and_projector(config, rngs, output_norm=True))
    both = np.concatenate([views["image"][0], views["image"][1]])
    normalized = (both - np.array(config.data.mean)) / np.array(config.data.std)
    layers, _ = network.apply(params, extra, jnp.asarray(normalized, jnp.float32), train=True)
    z1, z2 = np.split(np.asarray(layers["z"], np.float64), 2)
    expected = contrastive.nt_xent(z1, z2, temperature=0.3).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_vision_transformer_trains_with_remat(monkeypatch):
    shallow = partial(backbones.VITS["vit_tiny"], depth=2)
    monkeypatch.setitem(backbones.VITS, "vit_tiny", shallow)
    dataset = tiny.data()
    config = tiny.config(name="simclr", temperature=0.2, projector=(8,), augment={})
    config.network.update({"name": "vit_tiny", "pool": "cls", "patch_size": 4})
    config.train.update({"remat": True, "steps": 1})
    config = tiny.resolved(config, dataset)
    method, optimizer, placement = simclr.make(config), optim.make(config), tiny.placement(8)
    batch = tiny.batch(dataset)
    state = create(method, optimizer, jax.random.key(0), batch)
    before = jax.device_get(state.params)
    key, state = placement.put_state((jax.random.key(1), state))
    step = make_step(method, optimizer, placement, state)
    state, metrics = step(key, state, placement.put_batch(batch))
    assert np.isfinite(metrics["loss"])
    assert metrics["skipped"] == 0
    for (path, old), new in zip(
        jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(state.params), strict=True
    ):
        assert not np.array_equal(old, new), path
