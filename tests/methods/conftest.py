"""Networks as small as a contract needs: most of a test's time is compilation."""

from functools import partial

import pytest

from ssl_jax.nn import backbones


@pytest.fixture(scope="module", autouse=True)
def smallest_networks():
    resnet = partial(backbones.resnet.ResNet, blocks=(1, 1), widths=(4, 8), bottleneck=False)
    vit = partial(backbones.vit.ViT, width=16, depth=1, heads=2)
    gpt = partial(backbones.gpt.GPT, width=16, depth=1, heads=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.RESNETS, "resnet_small", resnet)
        patch.setitem(backbones.VITS, "vit_nano", vit)
        patch.setitem(backbones.GPTS, "gpt_nano", gpt)
        yield
