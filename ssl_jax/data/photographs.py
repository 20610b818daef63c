"""Finds color photographs: those bundled with this package, and those of installed packages.

The files of other packages are listed by name, because wallpapers and sample images include much
that is no photograph, such as drawings, scans, and microscope images.
"""

import importlib.resources
import importlib.util
import io
import zipfile
from pathlib import Path
from typing import IO, NamedTuple

BUNDLED_LICENSE = "public domain or CC0 1.0"
BUNDLED_SIDE = 384  # pixels of the shorter side


class Photograph(NamedTuple):
    """A file, and the scene in it.

    Attributes:
      path: the file; a bundled one is inside an archive and given by its content.
      scene: what the photograph shows; the pictures of a stereo pair show the same scene.
      content: the encoded image, or None to read it from `path`.
    """

    path: Path
    scene: str
    content: bytes | None = None

    def file(self) -> str | IO[bytes]:
        """Returns the file, as Pillow opens it."""
        return str(self.path) if self.content is None else io.BytesIO(self.content)


class Package(NamedTuple):
    """A package with photographs.

    Attributes:
      name: the name of the package.
      install: the command that installs it.
      folder: an absolute path, or one that starts with the name of a Python module.
      license: the license of the photographs, according to the package.
      scenes: a pattern for each scene, which matches its files in the folder.
    """

    name: str
    install: str
    folder: str
    license: str
    scenes: tuple[str, ...]

    def located(self) -> Path | None:
        """Returns the folder, or None if the package is not installed; imports nothing."""
        folder = Path(self.folder)
        if not folder.is_absolute():
            module, *below = folder.parts
            spec = importlib.util.find_spec(module)
            if spec is None or spec.origin is None:
                return None
            folder = Path(spec.origin).parent.joinpath(*below)
        return folder if folder.is_dir() else None


PACKAGES = (
    Package(
        "scikit-learn",
        "pip install scikit-learn",
        "sklearn/datasets/images",
        "CC BY 2.0",
        ("china.jpg", "flower.jpg"),
    ),
    Package(
        "scikit-image",
        "pip install scikit-image",
        "skimage/data",
        "public domain or CC0; none stated for the motorcycle",
        ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_[lr]*.png", "rocket.jpg"),
    ),
    Package(
        "mate-backgrounds",
        "apt install mate-backgrounds",
        "/usr/share/backgrounds/mate/nature",
        "GPL-2+",
        (
            *("Aqua.jpg", "Blinds.jpg", "Dune.jpg", "FreshFlower.jpg", "Garden.jpg"),
            *("GreenMeadow.jpg", "LadyBird.jpg", "RainDrops.jpg", "Storm.jpg", "TwoWings.jpg"),
            *("Wood.jpg", "YellowFlower.jpg"),
        ),
    ),
    Package(
        "plasma-workspace-wallpapers",
        "apt install plasma-workspace-wallpapers",
        "/usr/share/wallpapers",
        "LGPL-3",
        tuple(
            f"{wallpaper}/contents/images/2560x1600.jpg"
            for wallpaper in (
                *("BytheWater", "ColorfulCups", "DarkestHour", "EveningGlow", "FallenLeaf"),
                *("Kite", "OneStandsOut", "Path", "summer_1am"),
            )
        ),
    ),
    Package(
        "lomiri-wallpapers",
        "apt install lomiri-wallpapers",
        "/usr/share/backgrounds",
        "CC0 1.0, CC BY 4.0, CC BY-SA 3.0 or CC BY-SA 4.0",
        (
            *("Bridge_by_*.jpg", "Dragonfly_by_*.jpg", "Kleiber_by_*.jpg", "Picture_0B_by_*.jpg"),
            *("Picture_1A_by_*.jpg", "Wine_by_*.jpg", "aitzgorri_by_*.jpg", "free_by_*.jpg"),
            *("friends_by_*.jpg", "greentock_by_*.jpg", "life_by_*.jpg", "picosdeeuropa_by_*.jpg"),
            *("seeding_by_*.jpg", "sunset_by_*.jpg"),
        ),
    ),
)


def bundled(split: str) -> list[Photograph]:
    """Reads the bundled photographs, in a fixed order.

    Args:
      split: "train" or "test".
    """
    folder = importlib.resources.files("ssl_jax.data") / "embedded"
    with zipfile.ZipFile(io.BytesIO((folder / "photographs.zip").read_bytes())) as archive:
        return [
            Photograph(Path("photographs.zip") / name, name, archive.read(name))
            for name in archive.namelist()
            if name.startswith(f"{split}/")
        ]


def installed() -> tuple[list[Photograph], list[str]]:
    """Finds the photographs of installed packages, in a fixed order.

    Returns:
      The photographs, and notes that say where they are and which packages are not installed.
    """
    photographs, notes, missing = [], [], []
    for package in PACKAGES:
        folder = package.located()
        found = [] if folder is None else _found(folder, package)
        photographs += found
        if found:
            notes.append(
                f"photographs: {len(found)} of {package.name} in {folder} ({package.license})"
            )
        else:
            missing.append(f"`{package.install}`")
    if missing:
        notes.append(f"photographs: more after {', '.join(missing)}")
    return photographs, notes


def _found(folder: Path, package: Package) -> list[Photograph]:
    return [
        Photograph(path, f"{package.name}/{pattern}")
        for pattern in package.scenes
        for path in sorted(folder.glob(pattern))
    ]
