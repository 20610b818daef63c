"""SimCLR's own: the loss is NT-Xent of its two views, drawn independently."""

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.methods import simclr
from tests import tiny
from tests.references import contrastive


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
    batch = {"image": np.stack([dataset.pretrain[i]["image"] for i in range(tiny.BATCH)])}
    params, extra = method.init(jax.random.key(0), batch)
    views = method.views(jax.random.key(1), batch)
    assert views["image"].shape == (2, tiny.BATCH, tiny.SIDE, tiny.SIDE, 3)
    assert not np.array_equal(views["image"][0], views["image"][1])
    value, _ = method.loss(params, extra, views, jax.random.key(2), jnp.int32(0))

    network = simclr.from_module(lambda rngs: simclr.SimCLR(config, rngs))
    both = np.concatenate([views["image"][0], views["image"][1]])
    normalized = (both - np.array(config.data.mean)) / np.array(config.data.std)
    layers, _ = network.apply(params, extra, jnp.asarray(normalized, jnp.float32), train=True)
    z1, z2 = np.split(np.asarray(layers["z"], np.float64), 2)
    expected = contrastive.nt_xent(z1, z2, temperature=0.3).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-5)
