"""What config files share: the parser of ``:ARG,ARG``, and what presets set for many methods."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from ssl_jax.errors import InputError

PRESETS = ("smoke", "default", "paper")


class Arguments(NamedTuple):
    """What stands behind the colon: a preset, and values by name."""

    preset: str
    values: Mapping[str, Any]


KEYS: dict[str, Callable[[str], Any]] = {"data": str, "epochs": float, "seed": int}


def parse(arg: str | None) -> Arguments:
    """Read ``"paper,data=cifar10,epochs=200"``.

    Args:
      arg: a preset (``smoke``, ``default``, ``paper``) and ``key=value`` pairs, in any order.

    Returns:
      The preset, ``default`` if there is none, and the values.

    Raises:
      InputError: names what is neither, or a value of the wrong type.
    """
    preset, values = "default", {}
    for part in filter(None, (arg or "").split(",")):
        key, equals, text = part.partition("=")
        if not equals and key in PRESETS:
            preset = key
        elif equals and key in KEYS:
            try:
                values[key] = KEYS[key](text)
            except ValueError:
                raise InputError(f"--config: {part!r}; expected a number behind {key}=") from None
        else:
            raise InputError(
                f"--config: {part!r} is unknown; expected {', '.join(PRESETS)}, or "
                f"{', '.join(k + '=...' for k in KEYS)}"
            )
    return Arguments(preset, values)


def finish(
    config: ConfigDict, arguments: Arguments, *, paper: Callable[[ConfigDict], None]
) -> ConfigDict:
    """Turn the default preset into the one asked for, set what the arguments name, and lock.

    Args:
      config: the default preset.
      arguments: of ``parse``.
      paper: makes it the published setting.
    """
    if arguments.preset == "smoke":
        _smoke(config)
    elif arguments.preset == "paper":
        paper(config)
    if "data" in arguments.values:
        config.data.name = arguments.values["data"]
    if "epochs" in arguments.values:
        config.train.epochs, config.train.steps = arguments.values["epochs"], None
    if "seed" in arguments.values:
        config.seed = arguments.values["seed"]
    return config.lock()


def _smoke(config: ConfigDict) -> None:
    """Seconds on a CPU: for tests."""
    config.data.batch_size = 64
    config.train.update({"steps": 8, "log_every": 2, "checkpoint_every": 4})
    config.evaluation.train_examples = 1000


def small_resnet(config: ConfigDict) -> None:
    """Minutes on 2 CPU cores: the small ResNet, batches of 128, features of stages 2 and 3."""
    config.evaluation.layers = ("stage2", "stage3")
    config.data.batch_size = 128
    config.optimizer.update({"learning_rate": 2e-3, "weight_decay": 1e-2})


def imagenet_resnet50(config: ConfigDict) -> None:
    """The network and the images of most papers of 2020, for accelerators."""
    config.train.update({"log_every": 50, "checkpoint_every": 2000})
    config.evaluation.layers = ("features",)
    config.data.update({"name": "imagenet", "image_size": 224})
    config.network.update(
        {"name": "resnet50", "stem": "imagenet", "pool": "mean", "dtype": "bfloat16"}
    )


def small_vit(config: ConfigDict) -> None:
    """Minutes on 2 CPU cores: the smallest ViT, batches of 128, 4 x 4 patches of 28 x 28 pixels."""
    config.network.update({"name": "vit_nano", "patch_size": 7, "pool": "grid"})
    config.data.batch_size = 128
    config.optimizer.update(
        {"learning_rate": 2e-3, "weight_decay": 0.05, "betas": (0.9, 0.95), "warmup": 0.1}
    )


def imagenet_vit(config: ConfigDict) -> None:
    """Patches of 16 of ImageNet's images, for accelerators."""
    config.train.update({"log_every": 50, "checkpoint_every": 2000})
    config.evaluation.layers = ("features",)
    config.data.update({"name": "imagenet", "image_size": 224})
    config.network.update({"patch_size": 16, "pool": "cls", "dtype": "bfloat16"})
