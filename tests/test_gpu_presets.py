"""The ``gpu`` preset: every method on images trains with it, on images of any size."""

from importlib import import_module

import jax
import jax.numpy as jnp
import pytest

from configs import common
from ssl_jax import config as settings
from ssl_jax import methods
from ssl_jax.errors import InputError
from ssl_jax.train import optim

NAMES = sorted(set(methods.METHODS) - {"next_word", "frame_order"})
SIDES = [28, 32, 96, 224]


def resolved(name, side, channels=3):
    arg = f"gpu,data=folder:/pictures,size={side}"
    config = import_module(f"configs.{name}").get_config(arg)
    statistics = {"mean": (0.5,) * channels, "std": (0.25,) * channels}
    facts = {"modality": "image", "channels": channels} | statistics
    return settings.resolve(config, facts, 10_000, 1, ("a", "b", "c"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "side", [pytest.param(s, marks=pytest.mark.slow if s in (32, 96) else ()) for s in SIDES]
)
def test_every_method_computes_its_loss_at_every_size(name, side):
    config = resolved(name, side)
    method = methods.make(config)
    stored = config.data.stored_size or side
    batch = {"image": jax.ShapeDtypeStruct((256, stored, stored, 3), jnp.uint8)}
    if stored != side:
        batch["aspect"] = jax.ShapeDtypeStruct((256,), jnp.float32)
    if method.inputs:
        batch["label"] = jax.ShapeDtypeStruct((256,), jnp.int32)

    def loss(key, batch):
        params, extra = method.init(key, batch)
        optim.make(config).init(params)
        return method.loss(params, extra, method.views(key, batch), key, jnp.int32(0))[0]

    assert jax.eval_shape(loss, jax.random.key(0), batch).shape == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_preset_fits_one_gpu(name):
    config = resolved(name, 224)
    assert config.network.name in ("resnet50", "vit_small")
    assert config.network.dtype == "bfloat16"
    assert (config.data.batch_size, config.train.epochs) == (256, pytest.approx(100, abs=0.1))
    assert (config.data.image_size, config.data.stored_size) == (224, 256)
    assert config.data.center_crop == 224 / 256


def test_the_side_is_that_of_the_data():
    get_config = import_module("configs.simclr").get_config
    for arg, side, stored in (
        ("gpu", 28, None),
        ("gpu,data=cifar10", 32, None),
        ("gpu,data=stl10", 96, 110),
        ("gpu,data=folder:/pictures", 224, 256),
        ("size=48,gpu,data=folder:/pictures", 48, None),
    ):
        data = get_config(arg).data
        assert (data.image_size, data.stored_size) == (side, stored), arg
    assert get_config("gpu,data=cifar10").network.name == "resnet18"
    assert import_module("configs.colorization").get_config("gpu").data.image_size == 32


@pytest.mark.parametrize("name", ["next_word", "frame_order"])
def test_methods_on_other_data_have_no_such_preset(name):
    with pytest.raises(InputError, match=f"^--config: 'gpu'; {name} has no such preset"):
        import_module(f"configs.{name}").get_config("gpu")


def test_the_sizes_are_those_of_data_that_can_be_loaded():
    from ssl_jax.data.catalog import OPENERS

    assert {name for name in common.SIZES if not name.startswith("tfds:")} <= OPENERS.keys()
