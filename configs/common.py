"""What config files share: the parser of ``:ARG,ARG``, and settings that methods have in common."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from ssl_jax.config import defaults
from ssl_jax.errors import InputError

PRESETS = ("smoke", "default", "gpu", "paper")
SIZES = {"stl10": 96} | dict.fromkeys(
    ("cifar10", "cifar100", "photo_tiles", "photo_tiles_mini"), 32
)
SIZES |= dict.fromkeys(("fashion_mnist", "fashion_mnist_mini", "tfds:mnist"), 28)
SMALL = 64  # sides below that get the networks of the CIFAR experiments


class Arguments(NamedTuple):
    """What follows the colon: a preset, and values by name."""

    preset: str
    values: Mapping[str, Any]


Keys = Mapping[str, Callable[[str], Any]]
KEYS: Keys = {"data": str, "epochs": float, "seed": int, "size": int}


def is_cifar(arg: str | None) -> bool:
    """Returns whether ``arg`` names CIFAR-10 or CIFAR-100."""
    return parse(arg).values.get("data") in ("cifar10", "cifar100")


def parse(arg: str | None, further: Keys = {}) -> Arguments:  # noqa: B006 (never written to)
    """Parses ``"paper,data=cifar10,epochs=200"``.

    Args:
      arg: a preset (one of ``PRESETS``) and ``key=value`` pairs, in any order.
      further: keys beside ``KEYS``, and how to read their values.

    Returns:
      The preset (``default`` if none is given) and the values.

    Raises:
      InputError: a part is neither, or its value has the wrong type. The message names the part.
    """
    preset, values, keys = "default", {}, {**KEYS, **further}
    for part in filter(None, (arg or "").split(",")):
        key, equals, text = part.partition("=")
        if not equals and key in PRESETS:
            preset = key
        elif equals and key in keys:
            try:
                values[key] = keys[key](text)
            except ValueError:
                raise InputError(f"--config: {part!r}; expected a number after {key}=") from None
        else:
            raise InputError(
                f"--config: {part!r} is unknown; expected {', '.join(PRESETS)}, or "
                f"{', '.join(k + '=...' for k in keys)}"
            )
    return Arguments(preset, values)


def build(
    method: str,
    arg: str | None,
    *,
    default: Callable[[ConfigDict], None],
    gpu: Callable[[ConfigDict], None] | None = None,
    paper: Callable[[ConfigDict], None],
    further: Keys = {},  # noqa: B006 (never written to)
    data: str | None = None,
) -> ConfigDict:
    """Builds the config of a method with the preset and the values that ``arg`` names.

    Args:
      method: the method's name.
      arg: what follows the colon; see ``parse``.
      default: changes the declared defaults to a run of minutes on two CPU cores.
      gpu: changes a config to a run of 100 epochs on one GPU; the side of the images, the batch
        size and bfloat16 are set already. None: there is no such preset.
      paper: changes the declared defaults to the published setting.
      further: see ``parse``; the caller applies these values.
      data: which data the presets use that set none; None leaves the declared default.

    Raises:
      InputError: see ``parse``; or there is no ``gpu`` preset.
    """
    arguments = parse(arg, further)
    config = defaults(method)
    config.data.name = data or config.data.name
    if arguments.preset == "gpu":
        if gpu is None:
            raise InputError(
                f"--config: 'gpu'; {method} has no such preset; expected smoke, default or paper"
            )
        _for_one_gpu(config, arguments.values)
        gpu(config)
    else:
        (paper if arguments.preset == "paper" else default)(config)
    if arguments.preset == "smoke":
        _smoke(config)
    if "size" in arguments.values:
        config.data.image_size = arguments.values["size"]
    if "data" in arguments.values:
        config.data.name = arguments.values["data"]
    if "epochs" in arguments.values:
        config.train.epochs, config.train.steps = arguments.values["epochs"], None
    if "seed" in arguments.values:
        config.seed = arguments.values["seed"]
    return config.lock()


def _smoke(config: ConfigDict) -> None:
    """Shortens a run to seconds on a CPU, for tests."""
    config.data.batch_size = 64
    config.train.update({"steps": 8, "log_every": 2, "checkpoint_every": 4})
    config.evaluation.train_examples = 1000


def _for_one_gpu(config: ConfigDict, values: Mapping[str, Any]) -> None:
    """Batches of 256, 100 epochs, bfloat16; images of 224 pixels, or of the data's own size.

    Larger images are stored whole, at 8/7 of the side that the network sees: of 224 pixels, the
    evaluation sees the center of 256, as in the papers.
    """
    side = values.get("size") or SIZES.get(values.get("data", config.data.name), 224)
    config.train.update({"epochs": 100.0, "log_every": 50, "checkpoint_every": 1000})
    config.data.update({"image_size": side, "batch_size": 256})
    config.network.dtype = "bfloat16"
    if side >= SMALL:
        config.data.update({"stored_size": round(side * 8 / 7), "center_crop": 0.875})


def is_small(config: ConfigDict) -> bool:
    """Returns whether the images of a ``gpu`` preset are as small as those of CIFAR."""
    return config.data.image_size < SMALL


def gpu_resnet(config: ConfigDict, *, pool: str = "mean") -> None:
    """ResNet-50, or ResNet-18 with a 3 x 3 stem for small images."""
    name, stem = ("resnet18", "small") if is_small(config) else ("resnet50", "imagenet")
    config.network.update({"name": name, "stem": stem, "pool": pool})


def gpu_vit(config: ConfigDict) -> None:
    """ViT-S in patches of 16 x 16 pixels, or in about 8 x 8 patches if there are fewer pixels."""
    side = config.data.image_size
    divisors = [d for d in range(1, side + 1) if side % d == 0]
    patch = 16 if side == 224 else min(divisors, key=lambda d: abs(d - side / 8))
    config.network.update({"name": "vit_small", "patch_size": patch, "pool": "cls"})


def gpu_pretext(config: ConfigDict) -> None:
    """The network of ``gpu_resnet`` and the schedule of ``kolesnikov``, over 100 epochs."""
    gpu_resnet(config)
    _kolesnikov_schedule(config)


def small_resnet(config: ConfigDict) -> None:
    """Minutes on two CPU cores: the small ResNet, batch size 128, features of stages 2 and 3."""
    config.evaluation.layers = ("stage2", "stage3")
    config.data.batch_size = 128
    config.optimizer.update({"learning_rate": 2e-3, "weight_decay": 1e-2})


def imagenet_resnet50(config: ConfigDict) -> None:
    """ImageNet and ResNet-50, as in most papers of 2020, for accelerators."""
    config.train.update({"log_every": 50, "checkpoint_every": 2000})
    _imagenet(config)
    config.network.update(
        {"name": "resnet50", "stem": "imagenet", "pool": "mean", "dtype": "bfloat16"}
    )


def kolesnikov(config: ConfigDict) -> None:
    """ImageNet, ResNet-50 and the schedule of Kolesnikov et al. 2019, for pretext tasks.

    https://arxiv.org/abs/1901.09005 and its code (google/revisiting-self-supervised): 35 epochs,
    whose first 5 warm up; the learning rate is divided by 10 after 15 and after 25.
    """
    imagenet_resnet50(config)
    config.train.epochs = 35.0
    _kolesnikov_schedule(config)


def _kolesnikov_schedule(config: ConfigDict) -> None:
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4, "warmup": 5 / 35}
        | {"schedule": "steps", "drops": (15 / 35, 25 / 35)}
    )


def small_vit(config: ConfigDict) -> None:
    """Minutes on two CPU cores: the smallest ViT, batch size 128, 4 x 4 patches per image."""
    config.network.update({"name": "vit_nano", "patch_size": 7, "pool": "grid"})
    config.data.batch_size = 128
    config.optimizer.update(
        {"learning_rate": 2e-3, "weight_decay": 0.05, "betas": (0.9, 0.95), "warmup": 0.1}
    )


def imagenet_vit(config: ConfigDict) -> None:
    """ImageNet in patches of 16 x 16 pixels, for accelerators."""
    config.train.update({"log_every": 50, "checkpoint_every": 2000})
    _imagenet(config)
    config.network.update({"patch_size": 16, "pool": "cls", "dtype": "bfloat16"})


def _imagenet(config: ConfigDict) -> None:
    """Crops of 224 pixels from whole pictures; evaluation sees 7/8 of the shorter side."""
    config.data.update({"name": "imagenet", "image_size": 224})
    config.data.update({"stored_size": 320, "center_crop": 0.875})
