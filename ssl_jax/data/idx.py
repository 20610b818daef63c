"""Reads IDX, the file format of the MNIST family: a short header, then the numbers."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ssl_jax.errors import InputError

_UINT8 = 8


def read(path: Path) -> np.ndarray:
    """Reads an IDX file of bytes, gzipped or not.

    Args:
      path: the file.

    Returns:
      uint8, with the shape that the header gives.

    Raises:
      InputError: the file is missing or damaged, has another format, or holds another number type.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected an IDX file") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UINT8 or not content[3]:
        raise InputError(
            f"{path}: starts with {content[:4].hex()!r}; expected an IDX file of bytes"
        )
    axes = content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise InputError(f"{path}: {len(content)} bytes of content; expected at least {start}")
    shape = struct.unpack(f">{axes}I", content[4:start])
    expected = start + math.prod(shape)
    if len(content) != expected:
        raise InputError(
            f"{path}: {len(content)} bytes of content; expected {expected} for shape {shape}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
