"""The keys of `config.data` that loading reads, checked."""

import math
import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

from ssl_jax.errors import InputError

_SIZES = (4, 4096)
_VOCABULARIES = (257, 2**20)  # 256 bytes and the end of a text
_WINDOWS = (2, 2**16)


class Options(NamedTuple):
    """`config.data`, as far as loading reads it; None means "choose".

    Attributes:
      name: which data, as in `ssl_jax.data.load`.
      image_size: height and width in pixels.
      channels: 1 for grey, 3 for colour.
      mean: a number a channel, of pixels in [0, 1].
      std: likewise.
      vocabulary: how many tokens a tokeniser of text knows, at most.
      tokens: how many of them a window of text has.
      holdout: if not 0, this many training examples replace the test set.
      cache_mib: images that fit in this many MiB are decoded once and kept in memory.
      max_unreadable: how many unreadable files are skipped before loading gives up.
      data_dir: where TFDS keeps its data.
    """

    name: str
    image_size: int | None = None
    channels: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    vocabulary: int | None = None
    tokens: int | None = None
    holdout: int = 0
    cache_mib: int = 2048
    max_unreadable: int = 100
    data_dir: str | None = None


def read(config_data: Mapping[str, Any]) -> Options:
    """Reads and checks the options; keys that other modalities use are left alone.

    Raises:
      InputError: a key is missing or its value makes no sense.
    """
    values = {key: config_data.get(key) for key in Options._fields}
    given = {key: value for key, value in values.items() if value is not None}
    if "name" not in given:
        raise InputError("data.name: None is no value; expected it to be set")
    for key in ("name", "data_dir"):
        if key in given and not isinstance(given[key], str):
            raise InputError(f"data.{key}: {given[key]!r} is not a text; expected a str")
    options = Options(**given)
    for key in ("holdout", "cache_mib", "max_unreadable"):
        _check_whole(key, getattr(options, key), 0)
    sizes = {"image_size": _SIZES, "vocabulary": _VOCABULARIES, "tokens": _WINDOWS}
    for key, (low, high) in sizes.items():
        if getattr(options, key) is not None:
            _check_whole(key, getattr(options, key), low, high)
    if options.channels not in (None, 1, 3) or isinstance(options.channels, bool):
        raise InputError(
            f"data.channels: {options.channels!r} is unknown; expected 1 (grey) or 3 (colour)"
        )
    for key in ("mean", "std"):
        _check_numbers(key, getattr(options, key), positive=key == "std")
    return options


def check_statistics(options: Options, channels: int) -> None:
    """Raises InputError unless `mean` and `std`, where given, have a number for each channel."""
    for key in ("mean", "std"):
        values = getattr(options, key)
        if values is not None and len(values) != channels:
            raise InputError(
                f"data.{key}: {tuple(values)} has {len(values)} numbers; "
                f"expected {channels}, one a channel"
            )


def _check_whole(key: str, value: Any, low: int, high: int | None = None) -> None:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        wanted = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise InputError(f"data.{key}: {value!r} is no such number; expected an integer {wanted}")


def _check_numbers(key: str, values: Any, *, positive: bool) -> None:
    if values is None:
        return
    good = isinstance(values, tuple | list) and all(
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (value > 0 or not positive)
        for value in values
    )
    if not good:
        wanted = "positive numbers" if positive else "finite numbers"
        raise InputError(f"data.{key}: {values!r} is wrong; expected {wanted}, one a channel")
