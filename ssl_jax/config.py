"""The settings of a run: their defaults, what each may be, and what the data adds to them.

``defaults`` gives every setting that is not the method's own; a file in ``configs/`` adds the
``method`` block and changes what its method wants otherwise. ``check`` refuses what makes no sense.
``resolve`` fills in what depends on the data, so that a run's ``config.json`` says all there is.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from ssl_jax.errors import InputError


class Rule(NamedTuple):
    """What a setting may be: its type, in words, and as a test. ``optional`` allows None too."""

    type: type
    expected: str
    holds: Callable[[Any], bool]
    optional: bool = False


def _whole(least: int, *, optional: bool = False) -> Rule:
    return Rule(int, f"a whole number of at least {least}", lambda x: x >= least, optional)


def _number(least: float, *, optional: bool = False) -> Rule:
    return Rule(float, f"a number of at least {least:g}", lambda x: x >= least, optional)


def _above(bound: float, *, optional: bool = False) -> Rule:
    return Rule(float, f"a number above {bound:g}", lambda x: x > bound, optional)


def _between(low: float, high: float) -> Rule:
    return Rule(float, f"a number from {low:g} to {high:g}", lambda x: low <= x <= high)


def _one_of(*names: str) -> Rule:
    return Rule(str, f"one of {', '.join(names)}", lambda x: x in names)


_RESNETS = ("resnet_small", "resnet18", "resnet34", "resnet50")
_CONVNETS = ("context_encoder",)
_VITS = ("vit_nano", "vit_tiny", "vit_small", "vit_base", "vit_large")
_GPTS = ("gpt_nano", "gpt2_small")
_OF_PICTURES = _RESNETS + _CONVNETS + _VITS
NETWORKS = {"image": _OF_PICTURES, "video": _OF_PICTURES, "text": _GPTS}
_SWITCH = Rule(bool, "True or False", lambda _: True)
_TEXT = Rule(str, "a text that is not empty", bool)
_OPTIONAL_TEXT = Rule(str, "a text that is not empty", bool, optional=True)
_OPTIONAL_NUMBERS = Rule(tuple, "a number for each channel", bool, optional=True)
_DEVIATIONS = Rule(
    tuple, "a number above 0 for each channel", lambda x: bool(x) and min(x) > 0, optional=True
)

_AREA = Rule(
    tuple,
    "two shares of the image, 0 < smallest <= largest <= 1",
    lambda x: len(x) == 2 and 0 < x[0] <= x[1] <= 1,
)
_PART = Rule(float, "a number above 0, below 1", lambda x: 0 < x < 1)
_WIDTHS = Rule(tuple, "whole numbers of at least 1", lambda x: bool(x) and min(x) >= 1)

SETTINGS: dict[str, tuple[Any, Rule]] = {
    "seed": (0, _whole(0)),
    "init_from": (None, _OPTIONAL_TEXT),  # workdir of an earlier run, whose weights to start from
    "data.name": ("fashion_mnist_mini", _TEXT),
    "data.batch_size": (256, _whole(1)),
    "data.modality": ("image", _one_of(*NETWORKS)),  # the data says which
    "data.image_size": (None, _whole(4, optional=True)),  # None: what suits the data
    "data.channels": (None, Rule(int, "1 or 3", lambda x: x in (1, 3), optional=True)),
    "data.mean": (None, _OPTIONAL_NUMBERS),  # of pixels in [0, 1]
    "data.std": (None, _DEVIATIONS),
    "data.frames": (None, _whole(1, optional=True)),  # of a clip
    "data.vocabulary": (None, _whole(257, optional=True)),  # of text: the tokeniser's, at most
    "data.tokens": (None, _whole(2, optional=True)),  # in a window of text
    "data.holdout": (0, _whole(0)),  # training examples that stand in for the test set
    "data.cache_mib": (2048, _whole(0)),  # a folder's pictures are kept decoded up to this
    "data.max_unreadable": (100, _whole(0)),  # files of a folder
    "data.data_dir": (None, _OPTIONAL_TEXT),  # where TFDS keeps its data
    "network.name": ("resnet_small", _one_of(*_OF_PICTURES, *_GPTS)),
    "network.stem": ("patch", _one_of("patch", "small", "imagenet")),  # of ResNets
    "network.patch_size": (4, _whole(1)),  # of ViTs
    "network.pool": ("grid", _one_of("mean", "grid", "cls")),  # cls: of ViTs
    "network.dtype": ("float32", _one_of("float32", "bfloat16")),  # of the computation
    "optimizer.name": ("adamw", _one_of("adamw", "lars", "sgd")),
    "optimizer.learning_rate": (1e-3, _above(0)),  # for a batch of 256; scaled with the batch
    "optimizer.weight_decay": (1e-4, _number(0)),
    "optimizer.weight_decay_end": (None, _number(0, optional=True)),  # reached by half a cosine
    "optimizer.momentum": (0.9, _between(0, 0.9999)),  # of lars and sgd
    "optimizer.betas": (
        (0.9, 0.999),
        Rule(
            tuple,
            "two numbers from 0, below 1",
            lambda x: len(x) == 2 and 0 <= min(x) <= max(x) < 1,
        ),
    ),  # of adamw
    "optimizer.trust_coefficient": (0.001, _above(0)),  # of lars
    "optimizer.warmup": (0.05, _between(0, 1)),  # share of all steps
    "optimizer.schedule": ("cosine", _one_of("cosine", "constant")),  # behind the warm-up
    "optimizer.clip_norm": (None, _above(0, optional=True)),  # of the whole gradient
    "train.epochs": (None, _above(0, optional=True)),
    "train.steps": (None, _whole(1, optional=True)),  # takes precedence over epochs
    "train.checkpoint_every": (500, _whole(1)),  # steps
    "train.log_every": (10, _whole(1)),  # steps
    "train.microbatches": (1, _whole(1)),  # slices of a batch, one after the other: saves memory
    "train.remat": (False, _SWITCH),  # backward passes compute blocks again, to save memory
    "evaluation.layers": (("features",), Rule(tuple, "names of layers", bool)),  # concatenated
    "evaluation.probe_layers": ((), Rule(tuple, "names of layers", lambda _: True)),  # one by one
    "evaluation.batch_size": (500, _whole(1)),
    "evaluation.knn_k": (20, _whole(1)),
    "evaluation.knn_temperature": (0.1, _above(0)),
    "evaluation.train_examples": (50_000, _whole(1)),  # at most so many fit the probes
}

_GROUP = re.compile(r"^optimizer\.groups\.\w+\.")

# Settings of methods, wherever a method has one of that name.
METHOD_SETTINGS: dict[str, Rule] = {
    "method.name": _TEXT,
    "method.temperature": _above(0),
    "method.student_temperature": _above(0),
    "method.teacher_temperature": _above(0),
    "method.teacher_temperature_start": _above(0),
    "method.warmup": _between(0, 1),
    "method.frozen": _between(0, 1),
    "method.momentum": _between(0, 1),
    "method.center_momentum": _between(0, 1),
    "method.queue": _whole(1),
    "method.prototypes": _whole(2),
    "method.mask_ratio": _PART,
    "method.normalize_targets": _SWITCH,
    "method.adversarial": _between(0, 1),  # share of the generator's loss
    "method.overlap": _whole(0),  # pixels
    "method.bottleneck": _whole(1, optional=True),
    "method.decoder": _WIDTHS,
    "method.discriminator": _WIDTHS,
    "method.projector": _WIDTHS,
    "method.predictor": _WIDTHS,
    "method.in_order": _PART,
    "method.reach": _whole(2),  # frames
    "method.gap": _whole(1),  # frames
    "method.shift": _whole(0),  # pixels
    "method.hidden": Rule(
        tuple,
        "whole numbers of at least 1, or none",
        lambda x: all(isinstance(width, int) and width >= 1 for width in x),
    ),
    "method.head": _WIDTHS,
    "method.local_views": _whole(1),
    "method.augment.small_area": _AREA,
    "method.augment.small_size": _whole(4),
    "method.augment.area": _AREA,
    "method.area": _AREA,
    "method.augment.strength": _number(0),
    "method.augment.blur": _between(0, 1),
}


def defaults() -> ConfigDict:
    """Every setting but the method's, at its default; what is None is chosen by ``resolve``."""
    config = ConfigDict()
    for key, (value, rule) in SETTINGS.items():
        start = placeholder(rule.type) if value is None else value
        block, _, name = key.rpartition(".")
        if not block:
            config[name] = start
        elif block in config:
            config[block][name] = start
        else:
            config[block] = ConfigDict({name: start})
    config.optimizer.groups = ConfigDict()  # blocks like optimizer, by the top keys of parameters
    return config


def check(config: ConfigDict) -> None:
    """Refuse a setting that is unknown, of the wrong type, or out of its range.

    Raises:
      InputError: names the key, its value and what was expected.
    """
    values = dict(flatten(config))
    for key in SETTINGS:
        if key not in values:
            raise InputError(f"{key}: missing; expected {SETTINGS[key][1].expected}")
    for key, value in values.items():
        if key in SETTINGS:
            _check_value(key, value, SETTINGS[key][1])
        elif (shared := _GROUP.sub("optimizer.", key)) != key and shared in SETTINGS:
            _check_value(key, value, SETTINGS[shared][1])
        elif not key.startswith("method."):
            raise InputError(f"{key}: there is no such setting")
        elif key in METHOD_SETTINGS:
            _check_value(key, value, METHOD_SETTINGS[key])
        elif isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{key}: {value} is not a finite number")
    if config.train.steps is None and config.train.epochs is None:
        raise InputError("train.epochs: None; expected a number, here or in train.steps")
    if config.network.pool == "cls" and config.network.name in _RESNETS + _CONVNETS:
        raise InputError(
            f"network.pool: 'cls' is a token that {config.network.name} has not; "
            "expected mean or grid"
        )


def _check_value(key: str, value: Any, rule: Rule) -> None:
    if value is None and rule.optional:
        return
    wrong = InputError(f"{key}: {value!r}; expected {rule.expected}")
    if rule.type is tuple:
        if not isinstance(value, tuple | list) or not all(map(_finite_or_text, value)):
            raise wrong
    elif isinstance(value, bool) != (rule.type is bool) or not isinstance(
        value, (int, float) if rule.type is float else rule.type
    ):
        raise wrong
    if not (_finite_or_text(value) or rule.type is tuple) or not rule.holds(value):
        raise wrong


def _finite_or_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value))


def resolve(
    config: ConfigDict, facts: Mapping[str, Any], examples: int, devices: int
) -> ConfigDict:
    """The config with nothing left to choose.

    Args:
      config: that ``check`` has nothing against.
      facts: what the data says of itself, for ``config.data``: channels, mean, ...
      examples: how many there are to pretrain on.
      devices: over which a batch is split.

    Returns:
      A new, locked config; resolving it again changes nothing.

    Raises:
      InputError: the batch does not split over the devices, or exceeds the examples; the images do
        not split into patches.
    """
    check(config)
    batch = config.data.batch_size
    if batch % devices:
        multiples = (batch // devices * devices, -(-batch // devices) * devices)
        raise InputError(
            f"data.batch_size: {batch} does not split over {devices} devices; expected a "
            f"multiple of {devices}, such as {' or '.join(str(m) for m in multiples if m)}"
        )
    slices = config.train.microbatches
    if batch % (devices * slices):
        raise InputError(
            f"train.microbatches: {slices} slices of a batch of {batch} on {devices} devices are "
            f"not whole; expected a number that divides {batch // devices}"
        )
    if batch > examples:
        raise InputError(
            f"data.batch_size: {batch} is more than the {examples} examples of "
            f"{config.data.name}; expected at most {examples}"
        )
    resolved = ConfigDict(config.to_dict())
    with resolved.unlocked():
        resolved.data.update(facts)
        if resolved.train.steps is None:
            resolved.train.steps = max(1, round(resolved.train.epochs * examples / batch))
        resolved.train.epochs = resolved.train.steps * batch / examples
    suited = NETWORKS[resolved.data.modality]
    if resolved.network.name not in suited:
        raise InputError(
            f"network.name: {resolved.network.name!r} does not read {resolved.data.modality}; "
            f"expected one of {', '.join(suited)}"
        )
    if resolved.network.name in _VITS:
        _check_patches(resolved.network.patch_size, resolved.data.image_size)
    return resolved.lock()


def _check_patches(patch: int, side: int) -> None:
    if side % patch:
        divisors = ", ".join(str(d) for d in range(1, side + 1) if side % d == 0)
        raise InputError(
            f"network.patch_size: {patch} does not divide data.image_size {side}; "
            f"expected one of {divisors}"
        )


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``("data.name", "cifar10")`` and so on for every setting."""
    for name, value in config.items():
        if isinstance(value, ConfigDict | dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def from_json(values: Mapping[str, Any]) -> ConfigDict:
    """The config that ``config.json`` holds; lists become tuples again.

    A setting that is younger than the run has the value that the run was made with: its default,
    but for LARS's trust coefficient, which was .02.
    """

    def restore(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: restore(v) for k, v in value.items()}
        return tuple(map(restore, value)) if isinstance(value, list) else value

    if not isinstance(values, Mapping):
        raise ValueError("it is no object")
    config = defaults()
    config.update(ConfigDict(restore(values)))
    blocks = [config.optimizer, *config.optimizer.groups.values()]
    if any(block.get("name") == "lars" for block in blocks):
        given = values.get("optimizer", {})
        config.optimizer.trust_coefficient = given.get("trust_coefficient", 0.02)
    return config.lock()
