"""The settings of a run: defaults, checks, and what is filled in from the data.

Each part of the library declares its settings beside its code, in a table ``SETTINGS``.
``defaults`` builds a config from the tables, ``check`` rejects invalid settings, and ``resolve``
fills in what depends on the data, so that a run's ``config.json`` is complete.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict, FieldReference

from ssl_jax import methods, settings
from ssl_jax.data import modalities, options
from ssl_jax.errors import InputError
from ssl_jax.evaluation.settings import SETTINGS as EVALUATION
from ssl_jax.nn import backbones
from ssl_jax.settings import Setting
from ssl_jax.train import optim
from ssl_jax.train.settings import SETTINGS as TRAIN

TOP = {
    "seed": settings.integer(0, "seed of all random numbers", at_least=0),
    "init_from": settings.text(
        None, "workdir of an earlier run, whose backbone training starts from", optional=True
    ),
}
BLOCKS: dict[str, dict[str, Setting]] = {
    "data": options.SETTINGS | modalities.SETTINGS,
    "network": backbones.SETTINGS,
    "optimizer": optim.SETTINGS,
    "train": TRAIN,
    "evaluation": EVALUATION,
}
METHOD_NAME = settings.text("", "name of the method")

_GROUP = re.compile(r"^optimizer\.groups\.\w+\.")


def defaults(method: str | None = None) -> ConfigDict:
    """Builds a config with every setting at its default.

    Args:
      method: a name in ``ssl_jax.methods.METHODS``; adds its settings as ``config.method``.

    Returns:
      The config. A value of None is optional or filled in by ``resolve``.
    """
    config = ConfigDict({name: _field(setting) for name, setting in TOP.items()})
    for block, table in BLOCKS.items():
        config[block] = ConfigDict({name: _field(setting) for name, setting in table.items()})
    config.optimizer.groups = ConfigDict()  # changes to optimizer, by key of params
    if method is not None:
        config.method = ConfigDict({"name": method})
        _complete(config)
    return config


def declared(config: Mapping[str, Any]) -> dict[str, Setting] | None:
    """Returns the settings that the config's method declares; None for a user's own method."""
    block = config.get("method", {})
    name = block.get("name")
    return methods.settings_of(name, block) if name in methods.METHODS else None


def meanings(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns the meaning of each setting of a config, one line, by the setting's key."""
    lines = {name: setting.meaning for name, setting in TOP.items()}
    lines["method.name"] = METHOD_NAME.meaning
    for block, table in (*BLOCKS.items(), ("method", declared(config) or {})):
        lines |= {f"{block}.{name}": setting.meaning for name, setting in table.items()}
    return lines


def check(config: ConfigDict) -> None:
    """Checks each setting on its own.

    Raises:
      InputError: a setting is unknown, missing, of the wrong type or out of range. The message
        names the key, its value and what was expected.
    """
    known = TOP | {f"{b}.{name}": s for b, table in BLOCKS.items() for name, s in table.items()}
    own_method = declared(config) is None
    if not own_method:
        known |= {f"method.{name}": s for name, s in (declared(config) or {}).items()}
        known |= {"method.name": METHOD_NAME}
    values = dict(flatten(config))
    for key, setting in known.items():
        if key not in values and not key.startswith("method."):
            raise InputError(f"{key}: is missing; expected {setting.expected}")
    for key, value in values.items():
        declared_key = _GROUP.sub("optimizer.", key)
        if declared_key in known:
            settings.check_value(key, value, known[declared_key])
        elif not key.startswith("method."):
            raise InputError(f"{key}: there is no such setting")
        elif not own_method:
            names = ", ".join(declared(config) or ["none"])
            raise InputError(f"{key}: {config.method.name} has no such setting; expected {names}")
        elif isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{key}: {value} is not a finite number")
    if config.train.steps is None and config.train.epochs is None:
        raise InputError("train.epochs: None; expected a number, here or in train.steps")


def resolve(
    config: ConfigDict,
    facts: Mapping[str, Any],
    examples: int,
    devices: int,
    classes: Sequence[str] = (),
) -> ConfigDict:
    """Builds the complete config of a run.

    Args:
      config: a config that passes ``check``.
      facts: what the data adds to ``config.data``: channels, mean, ...
      examples: number of training examples.
      devices: number of devices that a batch is split over.
      classes: names of the labels; kept if the method declares ``classes``. An online probe needs
        their number.

    Returns:
      A new, locked config; resolving it again changes nothing.

    Raises:
      InputError: a setting does not pass ``check``, the batch does not split evenly or is larger
        than the data, or the network does not fit the data.
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
            f"train.microbatches: a batch of {batch} on {devices} devices does not split into "
            f"{slices} slices; expected a divisor of {batch // devices}"
        )
    if batch > examples:
        raise InputError(
            f"data.batch_size: {batch} is more than the {examples} examples of "
            f"{config.data.name}; expected at most {examples}"
        )
    resolved = ConfigDict(config.to_dict())
    with resolved.unlocked():
        _complete(resolved)
        resolved.data.update(facts)
        if "classes" in (declared(config) or {}):
            resolved.method.classes = tuple(classes)
        if resolved.train.online_probe:
            resolved.train.online_classes = len(classes) or None
        if resolved.train.steps is None:
            resolved.train.steps = max(1, round(resolved.train.epochs * examples / batch))
        resolved.train.epochs = resolved.train.steps * batch / examples
    if declared(config) is not None:
        backbones.check(resolved)
    return resolved.lock()


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the key and value of every setting, such as ``("data.name", "cifar10")``."""
    for name, value in config.items():
        if isinstance(value, ConfigDict | dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def from_json(values: Mapping[str, Any]) -> ConfigDict:
    """Builds the config of a run from its ``config.json``; lists become tuples again.

    A setting that was introduced after the run gets the value that the run was made with.
    """

    def restore(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: restore(v) for k, v in value.items()}
        return tuple(map(restore, value)) if isinstance(value, list) else value

    if not isinstance(values, Mapping):
        raise ValueError("not an object")
    config = defaults()
    for block, table in BLOCKS.items():
        _fill_earlier(config[block], table, values.get(block, {}))
    config.update(ConfigDict(restore(values)))
    _complete(config, earlier=True)
    return config.lock()


def _complete(config: ConfigDict, *, earlier: bool = False) -> None:
    """Adds the settings that the method declares and the config lacks."""
    table = declared(config) or {}
    given = config.method.to_dict() if table else {}
    for name, setting in table.items():
        *blocks, last = name.split(".")
        block = config.method
        for part in blocks:
            if part not in block:
                block[part] = ConfigDict()
            block = block[part]
        if last not in block:
            before = setting.earlier if earlier else None
            block[last] = _field(setting) if before is None else before(given)


def _fill_earlier(
    block: ConfigDict, table: Mapping[str, Setting], given: Mapping[str, Any]
) -> None:
    """Fills in settings that the run predates with the values it was made with."""
    for name, setting in table.items():
        if name not in given and setting.earlier is not None:
            block[name] = setting.earlier(given)


def _field(setting: Setting) -> Any:
    """Returns the default; for an optional setting, a reference that may hold None."""
    if setting.optional:
        return FieldReference(setting.default, field_type=setting.type)
    return setting.default
