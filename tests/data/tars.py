"""Tar files for tests."""

import io
import tarfile

import numpy as np
from PIL import Image


def png(value=0, size=(8, 8), mode="RGB"):
    """Returns an image file that is filled with one value, which identifies it."""
    color = value if mode == "L" else (value,) * len(mode)
    file = io.BytesIO()
    Image.new(mode, size, color).save(file, "PNG")
    return file.getvalue()


def write(path, members, *, form=tarfile.USTAR_FORMAT, mtime=0):
    """Writes a tar file with the members, by name, or as pairs if a name occurs twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = members.items() if isinstance(members, dict) else members
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in pairs:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), mtime
            tar.addfile(member, io.BytesIO(content))
    return path


def labeled(values, label=lambda value: value % 2, prefix=""):
    """Returns the members of samples with an image and a label each; the key is the value."""
    members = {}
    for value in values:
        members[f"{prefix}{value:04}.cls"] = str(label(value)).encode()
        members[f"{prefix}{value:04}.png"] = png(value % 256)
    return members


def unlabeled(values, prefix=""):
    """Returns the members of samples with nothing but an image."""
    return {f"{prefix}{value:04}.png": png(value % 256) for value in values}


def values(source):
    """Returns one pixel per example, which identifies its image."""
    return [int(source[index]["image"][0, 0, 0]) for index in np.arange(len(source))]
