"""Writes photographs.zip and LICENSE.photographs.

    python ssl_jax/data/embedded/make_photographs.py /usr/share/gcompris-qt/rcc

Pass the folder of Debian's package `gcompris-qt-data` (3.1-2). It holds Qt resource files, in which
a README beside the pictures names the author, the license and the source of each. The script takes
the color photographs that are in the public domain or under CC0, shrinks them to a shorter side of
384 pixels, and puts every fourth one into the test split.

With the same version of Pillow (13.0.0) the result is the same each time, byte for byte.
"""

import io
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image

SIDE = 384
_QUALITY = 80
_TEST_EVERY = 4
_LICENSES = {"public domain": "public domain", "cc0-1.0": "CC0 1.0"}
_RESOURCES = (
    "clickgame",
    "erase",
    "explore_farm_animals",
    "explore_monuments",
    "explore_world_animals",
)
_LEFT_OUT = {
    "cabrillo": "too narrow",
    "castillodeSanMarcos": "hardly any color tones",
    "castleClinton": "gray",
    "georgeWashingtonBirthplace": "a black frame",
    "sea1": "murky",
    "sea5": "nearly one color",
}

_NOTICE = """\
photographs.zip holds {count} photographs. Each is in the public domain, or its author has waived
all rights under CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/). They come from
GCompris (https://gcompris.net), as packaged in Debian's gcompris-qt-data, whose README files name
the author, the license and the source given below. GCompris has cropped and sharpened some of them.
Here they are smaller and compressed anew: the shorter side has {side} pixels.

"""


class Photograph(NamedTuple):
    """A photograph: its name, what the README says of it, and its file."""

    name: str
    author: str
    license: str
    source: str
    content: bytes


def read_resources(content: bytes) -> dict[str, bytes]:
    """Reads a Qt resource file (.rcc); returns its files by path."""
    magic, version, tree, data, names = struct.unpack_from(">4s4I", content)
    if magic != b"qres" or version < 2:
        raise ValueError("not a Qt resource file of version 2 or newer")
    files = {}

    def walk(node: int, folder: PurePosixPath) -> None:
        at = tree + 22 * node
        name_at, flags = struct.unpack_from(">IH", content, at)
        length = struct.unpack_from(">H", content, names + name_at)[0] if node else 0
        name_start = names + name_at + 6
        path = folder / content[name_start : name_start + 2 * length].decode("utf-16-be")
        if flags & 2:
            children, first = struct.unpack_from(">2I", content, at + 6)
            for child in range(first, first + children):
                walk(child, path)
            return
        start = data + struct.unpack_from(">I", content, at + 10)[0]
        (size,) = struct.unpack_from(">I", content, start)
        file = content[start + 4 : start + 4 + size]
        files[str(path)] = zlib.decompress(file[4:]) if flags & 1 else file

    walk(0, PurePosixPath())
    return files


def photographs(folder: Path) -> Iterator[Photograph]:
    """Yields the photographs to take, sorted by resource and path."""
    for resource in _RESOURCES:
        files = read_resources((folder / f"{resource}.rcc").read_bytes())
        found: dict[str, Photograph] = {}
        for path, content in files.items():
            if PurePosixPath(path).name == "README":
                for entry in re.split(r"\n\s*\n", content.decode()):
                    found.update(_entry(resource, PurePosixPath(path).parent, entry, files))
        yield from (found[path] for path in sorted(found))


def _entry(
    resource: str, folder: PurePosixPath, entry: str, files: dict[str, bytes]
) -> Iterator[tuple[str, Photograph]]:
    """Yields the photographs, by path, that one entry of a README is about."""
    fields = dict(re.findall(r"^(Copyright|License|Source): *(.+)$", entry, re.MULTILINE))
    license_name = _LICENSES.get(fields.get("License", "").lower())
    if license_name is None or "Source" not in fields:
        return
    for file in re.findall(r"\S+\.webp", entry):
        path, name = str(folder / file), PurePosixPath(file).stem
        if path in files and name not in _LEFT_OUT:  # a README misspells one name
            about = (fields["Copyright"], license_name, fields["Source"])
            yield path, Photograph(f"{resource}-{name}.webp", *about, files[path])


def shrink(content: bytes) -> bytes:
    """Returns the picture with a shorter side of `SIDE` pixels, as WebP."""
    with Image.open(io.BytesIO(content)) as image:
        scale = SIDE / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    result = io.BytesIO()
    small.save(result, "WEBP", quality=_QUALITY, method=6)
    return result.getvalue()


def write(folder: Path, taken: list[Photograph]) -> None:
    """Writes the archive, which does not contain the current time, and the notice."""
    lines = []
    with zipfile.ZipFile(folder / "photographs.zip", "w") as archive:
        for number, photograph in enumerate(taken):
            name = f"{'train' if number % _TEST_EVERY else 'test'}/{photograph.name}"
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, shrink(photograph.content))
            lines.append(f"{name}\n  {photograph.author}; {photograph.license}\n")
            lines.append(f"  {photograph.source}\n")
    notice = _NOTICE.format(count=len(taken), side=SIDE) + "".join(lines)
    (folder / "LICENSE.photographs").write_text(notice, encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent, list(photographs(Path(sys.argv[1]))))
