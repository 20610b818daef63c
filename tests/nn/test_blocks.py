"""The blocks of every kind of backbone, in order."""

import jax
import pytest

from ssl_jax.nn import backbones, from_module
from ssl_jax.nn.backbones.blocks import blocks, branches, merged, up_to
from tests import tiny

NAMES = {
    "resnet_small": (["stem", "stage2", "stage3"], 2),
    "resnet18": (["stem", *(f"stage{i}" for i in (1, 2, 3, 4))], 8),
    "vit_nano": (["stem", *(f"block{i}" for i in (1, 2, 3, 4)), "norm"], 8),
    "context_encoder": ([f"layer{i}" for i in (1, 2, 3, 4, 5)], 0),
    "mlp": (["layer1", "layer2"], 0),
}


def params_of(name):
    config = tiny.resolved(tiny.config(name="rotation", area=(0.5, 1.0)), tiny.data())
    with config.unlocked():
        config.network.update({"name": name, "patch_size": 2, "pool": "mean", "widths": (6, 4)})
    network = from_module(lambda rngs: backbones.make(config, rngs))
    return jax.eval_shape(lambda: network.init(jax.random.key(0)))[0]


@pytest.fixture(params=NAMES)
def named(request):
    return params_of(request.param), *NAMES[request.param]


def test_names_and_order(named):
    params, names, count = named
    assert list(blocks(params)) == names
    assert branches(params) == count


def test_the_blocks_make_up_the_whole(named):
    params, names, _ = named
    whole = {}
    for part in blocks(params).values():
        whole = merged(whole, part)
    assert jax.tree.structure(whole) == jax.tree.structure(params)
    for last in ("", *names, "backbone"):
        below, above = up_to(params, last)
        assert jax.tree.structure(merged(below, above)) == jax.tree.structure(params)
        count = {"": 0, "backbone": len(names)}.get(last)
        count = names.index(last) + 1 if count is None else count
        assert list(blocks(below)) == names[:count]


def test_an_unknown_block_is_refused(named):
    with pytest.raises(KeyError, match="stage9"):
        up_to(named[0], "stage9")
