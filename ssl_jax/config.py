"""The settings of a run: defaults, checks, and what is filled in from the data.

Each part of the library declares its settings beside its code, in a table ``SETTINGS``.
``defaults`` builds a config from the tables, ``check`` refuses what makes no sense, and ``resolve``
fills in what depends on the data, so that a run's ``config.json`` leaves nothing open.
"""

import math
import re
from collections.abc import Iterator, Mapping
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
    "seed": settings.integer(0, "seed of everything that is drawn", at_least=0),
    "init_from": settings.text(
        None, "workdir of an earlier run whose backbone to start from", optional=True
    ),
}
BLOCKS: dict[str, dict[str, Setting]] = {
    "data": options.SETTINGS | modalities.SETTINGS,
    "network": backbones.SETTINGS,
    "optimizer": optim.SETTINGS,
    "train": TRAIN,
    "evaluation": EVALUATION,
}
METHOD_NAME = settings.text("", "the method")

_GROUP = re.compile(r"^optimizer\.groups\.\w+\.")


def defaults(method: str | None = None) -> ConfigDict:
    """Builds a config with every setting at its default.

    Args:
      method: a name in ``ssl_jax.methods.METHODS``, whose settings are then in ``config.method``.

    Returns:
      The config. What is None in it is optional or chosen by ``resolve``.
    """
    config = ConfigDict({name: _field(setting) for name, setting in TOP.items()})
    for block, table in BLOCKS.items():
        config[block] = ConfigDict({name: _field(setting) for name, setting in table.items()})
    config.optimizer.groups = ConfigDict()  # blocks like optimizer, by the top keys of params
    if method is not None:
        config.method = ConfigDict({"name": method})
        _complete(config)
    return config


def declared(config: Mapping[str, Any]) -> dict[str, Setting] | None:
    """Returns what the config's method declares; None if it is a method of the user's own."""
    name = config.get("method", {}).get("name")
    return methods.settings_of(name) if name in methods.METHODS else None


def meanings(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns one line for each setting of a config, by its key."""
    found = {name: setting.meaning for name, setting in TOP.items()}
    found["method.name"] = METHOD_NAME.meaning
    for block, table in (*BLOCKS.items(), ("method", declared(config) or {})):
        found |= {f"{block}.{name}": setting.meaning for name, setting in table.items()}
    return found


def check(config: ConfigDict) -> None:
    """Checks every setting by itself.

    Raises:
      InputError: a setting is unknown, missing, of the wrong type or out of range; names the key,
        its value and what was expected.
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
        shared = _GROUP.sub("optimizer.", key)
        if shared in known:
            settings.check_value(key, value, known[shared])
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
    config: ConfigDict, facts: Mapping[str, Any], examples: int, devices: int
) -> ConfigDict:
    """Builds the config of a run, with nothing left to choose.

    Args:
      config: that passes ``check``.
      facts: what the data adds to ``config.data``: channels, mean, ...
      examples: number of training examples.
      devices: that a batch is split over.

    Returns:
      A new, locked config; resolving it again changes nothing.

    Raises:
      InputError: a setting does not pass ``check``, the batch does not split over the devices or
        exceeds the examples, or the network does not fit the data.
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
        if resolved.train.steps is None:
            resolved.train.steps = max(1, round(resolved.train.epochs * examples / batch))
        resolved.train.epochs = resolved.train.steps * batch / examples
    if declared(config) is not None:
        backbones.check(resolved)
    return resolved.lock()


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields ``("data.name", "cifar10")`` and so on for every setting."""
    for name, value in config.items():
        if isinstance(value, ConfigDict | dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def from_json(values: Mapping[str, Any]) -> ConfigDict:
    """Builds the config of a run from its ``config.json``; lists become tuples again.

    A setting younger than the run gets the value that the run was made with.
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
    """Adds the settings of the config's method that are missing."""
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
    """Sets what a run was made with before a setting existed."""
    for name, setting in table.items():
        if name not in given and setting.earlier is not None:
            block[name] = setting.earlier(given)


def _field(setting: Setting) -> Any:
    """The default; of an optional setting a reference that may be None."""
    if setting.optional:
        return FieldReference(setting.default, field_type=setting.type)
    return setting.default
