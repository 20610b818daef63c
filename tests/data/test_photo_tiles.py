"""Tiles of photographs: bundled ones and those of other packages, which the tests make up."""

import hashlib
import importlib.resources
import io
import re
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl_jax import data
from ssl_jax.data import photographs, pixels
from ssl_jax.data.dataset import Subset, gather
from ssl_jax.data.embedded import make_photographs
from ssl_jax.data.frame import Frame
from ssl_jax.data.holdout import hold_out
from ssl_jax.data.photo_tiles import Tiles
from ssl_jax.data.photographs import PACKAGES, Package, Photograph
from ssl_jax.errors import InputError

EMBEDDED = importlib.resources.files("ssl_jax.data") / "embedded"
SHA256 = "9ce32d4c6a97c1462bddfdf565b4a1561fda4c4c075115e7265ffd55d7a8ef1e"


def encoded(value, *, size=(48, 40), mode="RGB"):
    """Returns a picture in one color, which identifies it; it is gray, but stored in color."""
    file = io.BytesIO()
    Image.new(mode, size, (value,) * len(mode)).save(file, "PNG")
    return file.getvalue()


def put(path, value, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(value, **options))
    return path


def package(name, folder, *scenes):
    return Package(name, f"install {name}", str(folder), "free", scenes)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Makes up 12 bundled photographs, of the values 10 to 21, and 2 packages that have 5 others.

    Every fourth bundled photograph is for testing. The values 32 and 33 are a stereo pair.
    """

    def bundled(split):
        return [
            Photograph(Path(f"{split}/{number}"), f"{split}/{number}", encoded(10 + number))
            for number in range(12)
            if (number % 4 == 0) == (split == "test")
        ]

    put(tmp_path / "one/b.png", 30)
    put(tmp_path / "one/a.png", 31)
    put(tmp_path / "one/drawing.png", 99)
    put(tmp_path / "two/in/pair_right.png", 33)
    put(tmp_path / "two/in/pair_left.png", 32)
    put(tmp_path / "two/in/single.png", 34)
    found = (
        package("one", tmp_path / "one", "b.png", "a.png", "c.png"),
        package("two", tmp_path / "two/in", "pair_*.png", "single.png"),
        package("three", tmp_path / "three", "d.png"),
    )
    monkeypatch.setattr(photographs, "bundled", bundled)
    monkeypatch.setattr(photographs, "PACKAGES", found)
    return tmp_path


def load(name="photo_tiles", **options):
    return data.load({"name": name, "image_size": 8, **options})


def values(source):
    """Returns the photographs that the tiles of a source are from."""
    images = gather(source, np.arange(len(source)))["image"]
    assert (images == images[:, :1, :1, :1]).all()
    return images[:, 0, 0, 0].tolist()


TEST_VALUES = {10, 14, 18}
BUNDLED_VALUES = set(range(10, 22)) - TEST_VALUES
PAIR = {32, 33}


def check_disjoint(dataset):
    """Checks that no scene is in the training and in the test tiles; a stereo pair is one scene."""
    train, test = (
        {min(PAIR) if value in PAIR else value for value in values(part)}
        for part in (dataset.train, dataset.test)
    )
    assert train
    assert test
    assert not train & test


def test_training_and_test_tiles_are_of_different_photographs(packages):
    dataset = load()
    check_disjoint(dataset)
    assert set(values(dataset.test)) == TEST_VALUES
    assert set(values(dataset.train)) == BUNDLED_VALUES | {30, 31, 32, 33, 34}
    assert dataset.pretrain is dataset.train
    assert dataset.label_names is None
    assert set(dataset.train[0]) == {"image"}


def test_bundled_photographs_alone(packages):
    dataset = load("photo_tiles_mini")
    assert set(values(dataset.train)) == BUNDLED_VALUES
    assert values(dataset.test) == values(load().test)
    assert "one" not in " ".join(dataset.notes)


@pytest.mark.parametrize("count", [1, 50, 100, 300, 700, 1100])
def test_whole_scenes_are_held_out(packages, count):
    whole = load()
    dataset = load(holdout=count)
    check_disjoint(dataset)
    assert len(dataset.test) == count
    assert dataset.pretrain is dataset.train
    kept, held_out = set(values(dataset.train)), set(values(dataset.test))
    assert kept | held_out <= set(values(whole.train))
    assert len(PAIR & kept) in (0, 2)
    assert values(load(holdout=count).test) == values(dataset.test)
    left_out = len(whole.train) - len(dataset.train) - count
    assert (f"{left_out} more that are made from the same originals" in dataset.notes[-1]) == (
        left_out > 0
    )


def test_too_many_tiles_to_hold_out(packages):
    total = len(load().train)
    with pytest.raises(InputError, match=r"^data\.holdout: \d+ leaves no training image, since"):
        load(holdout=total - 1)
    with pytest.raises(InputError) as caught:
        load(holdout=total)
    most = int(re.search(r"expected at most (\d+)$", str(caught.value))[1])
    check_disjoint(load(holdout=most))
    with pytest.raises(InputError):
        load(holdout=most + 1)


def test_faults_would_be_noticed(packages, monkeypatch):
    """The checks above fail if a photograph is in both splits, or tiles are held out singly."""
    dataset = load()
    with pytest.raises(AssertionError):
        check_disjoint(hold_out(dataset._replace(origins=None), 300))
    as_two = np.array(values(dataset.train))
    failures = 0
    for count in (1, 50, 100, 300, 700, 1100):
        try:
            check_disjoint(hold_out(dataset._replace(origins=as_two), count))
        except AssertionError:
            failures += 1
    assert failures
    bundled = photographs.bundled
    monkeypatch.setattr(
        photographs, "bundled", lambda split: [*bundled(split), *bundled("train")[:1]]
    )
    with pytest.raises(AssertionError):
        check_disjoint(load())


def test_notes_say_what_was_found_and_what_is_missing(packages):
    notes = load().notes
    assert notes[:4] == (
        "photographs: 12 bundled (public domain or CC0 1.0)",
        f"photographs: 2 of one in {packages / 'one'} (free)",
        f"photographs: 3 of two in {packages / 'two/in'} (free)",
        "photographs: more after `install three`",
    )
    assert re.fullmatch(
        r"tiles: 2,\d{3} of 14 photographs to train on, \d+ of 3 other photographs to test on; "
        "no labels",
        notes[4],
    )
    assert len(notes) == 5


def test_without_other_packages_the_bundled_photographs_are_used(packages, monkeypatch):
    monkeypatch.setattr(photographs, "PACKAGES", photographs.PACKAGES[2:])
    dataset = load()
    assert values(dataset.train) == values(load("photo_tiles_mini").train)
    assert dataset.notes[1] == "photographs: more after `install three`"


def test_the_order_does_not_change(packages):
    first, again = load(), load()
    everything = np.arange(len(first.train))
    np.testing.assert_array_equal(
        gather(first.train, everything)["image"], gather(again.train, everything)["image"]
    )
    order = [11, 12, 13, 15, 16, 17, 19, 20, 21, 30, 31, 32, 33, 34]
    assert list(dict.fromkeys(values(first.train))) == order


def test_small_and_unreadable_photographs_are_left_out(packages):
    put(packages / "one/a.png", 31, size=(7, 40))
    (packages / "one/b.png").write_bytes(encoded(30)[:60])
    (packages / "two/in/single.png").write_text("not a picture")
    dataset = load()
    assert set(values(dataset.train)) == BUNDLED_VALUES | PAIR
    unreadable = [str(packages / name) for name in ("one/b.png", "two/in/single.png")]
    assert list(dataset.unreadable) == unreadable
    assert dataset.notes[-1] == "photographs: 1 smaller than 8 pixels are left out"
    with pytest.raises(InputError, match=r"^data\.max_unreadable: 1 is exceeded in photo_tiles"):
        load(max_unreadable=1)


def test_tiles_are_cut_where_they_should_be():
    y, x = np.mgrid[:11, :17].astype(np.uint8)
    photograph = np.stack([y, x, np.full_like(x, 7)], axis=-1)
    tiles = Tiles([photograph, photograph[:6, :9]], size=6, stride=3)
    expected = [(top, left) for top in (0, 3) for left in (0, 3, 6, 9)] + [(0, 0), (0, 3)]
    assert [tuple(tiles[index]["image"][0, 0, :2].tolist()) for index in range(10)] == expected
    assert len(tiles) == 10
    for index in range(10):
        tile = tiles[index]["image"]
        assert tile.shape == (6, 6, 3)
        np.testing.assert_array_equal(tile[..., 0] - tile[0, 0, 0], np.mgrid[:6, :6][0])
    np.testing.assert_array_equal(
        tiles.take(np.array([8, 1]))["image"], [tiles[8]["image"], tiles[1]["image"]]
    )


@pytest.mark.parametrize("size", [8, 24, 64])
def test_photographs_are_scaled_to_four_tiles_but_never_enlarged(packages, size, monkeypatch):
    monkeypatch.setattr(
        photographs,
        "bundled",
        lambda split: [Photograph(Path("x"), split, encoded(9, size=(240, 120)))],
    )
    dataset = load("photo_tiles_mini", image_size=size)
    side = min(4 * size, 120)
    for source, stride in ((dataset.train, size // 4), (dataset.test, size // 2)):
        assert source.images[0].shape == (side, 2 * side, 3)
        rows, columns = ((length - size) // stride + 1 for length in (side, 2 * side))
        assert len(source) == rows * columns


def test_gray_tiles(packages):
    dataset = load(channels=1)
    assert dataset.train[0]["image"].shape == (8, 8, 1)
    assert len(dataset.facts["mean"]) == 1
    assert set(values(dataset.test)) == TEST_VALUES


def test_mean_and_deviation_are_measured(packages):
    dataset = load("photo_tiles_mini")
    shades = np.array(values(dataset.train)) / 255
    np.testing.assert_allclose(dataset.facts["mean"], [shades.mean()] * 3)
    np.testing.assert_allclose(dataset.facts["std"], [shades.std()] * 3)
    given = load(mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    assert given.facts["mean"] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", ["photo_tiles", "photo_tiles_mini"])
def test_tiles_larger_than_the_bundled_photographs_are_refused(name):
    with pytest.raises(InputError) as caught:
        data.load({"name": name, "image_size": 385})
    assert str(caught.value) == (
        "data.image_size: 385 is larger than the bundled photographs; expected at most 384"
    )


def test_packages_are_found_without_importing_them(tmp_path, monkeypatch):
    put(tmp_path / "photograph_module/below/a.png", 1)
    (tmp_path / "photograph_module/__init__.py").write_text("raise RuntimeError")
    (tmp_path / "photograph_namespace").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    found = package("module", "photograph_module/below", "a.png")
    assert found.located() == tmp_path / "photograph_module/below"
    assert "photograph_module" not in sys.modules
    for folder in ("photograph_module/no", "photograph_namespace/x", "no_such_module/x"):
        assert package("none", folder, "a.png").located() is None


def test_the_known_packages(monkeypatch):
    assert len({each.name for each in PACKAGES}) == len(PACKAGES)
    for each in PACKAGES:
        assert each.install.startswith(("pip install ", "apt install "))
        assert len(set(each.scenes)) == len(each.scenes)
    scikit_learn = [each for each in PACKAGES if each.name == "scikit-learn"]  # a dependency
    monkeypatch.setattr(photographs, "PACKAGES", scikit_learn)
    found, notes = photographs.installed()
    assert [photograph.path.name for photograph in found] == ["china.jpg", "flower.jpg"]
    assert len(notes) == 1


@pytest.fixture(scope="module")
def mini():
    return data.load({"name": "photo_tiles_mini"})


def test_the_bundled_data(mini):
    assert hashlib.sha256((EMBEDDED / "photographs.zip").read_bytes()).hexdigest() == SHA256
    assert (len(mini.train), len(mini.test)) == (14_404, 1_372)
    assert mini.train[0]["image"].shape == (32, 32, 3)
    assert mini.facts["image_size"] == 32
    assert mini.facts["channels"] == 3
    assert len((EMBEDDED / "photographs.zip").read_bytes()) < 3e6
    sizes = []
    for split in ("train", "test"):
        for photograph in photographs.bundled(split):
            image = pixels.decode_whole(photograph.file(), 10**4, 3)
            sizes.append(min(image.shape[:2]))
            assert np.ptp(image.astype(int), axis=-1).mean() > 5, f"{photograph.scene} is gray"
    assert set(sizes) == {photographs.BUNDLED_SIDE}


def test_every_bundled_photograph_has_a_notice():
    notice = (EMBEDDED / "LICENSE.photographs").read_text("utf-8")
    scenes = [each.scene for split in ("train", "test") for each in photographs.bundled(split)]
    entry = r"^(\S+\.webp)\n  .+; (?:public domain|CC0 1\.0)\n  https://\S+$"
    assert sorted(re.findall(entry, notice, re.MULTILINE)) == sorted(scenes)
    assert f"holds {len(scenes)} photographs" in notice


def test_no_test_photograph_resembles_a_training_photograph():
    def thumbnails(found):
        images = [Frame(12, 3).decode(each.file())["image"].astype(float) for each in found]
        flat = np.stack(images) - np.mean(images, axis=(1, 2), keepdims=True)
        return flat / np.sqrt((flat**2).sum((1, 2, 3), keepdims=True))

    def copied(photograph):
        file = io.BytesIO()
        with Image.open(photograph.file()) as image:
            image.reduce(2).save(file, "JPEG", quality=50)
        return photograph._replace(content=file.getvalue())

    found, _ = photographs.installed()
    train = thumbnails([*photographs.bundled("train"), *found])
    test = thumbnails(photographs.bundled("test"))
    for images in (test, test[:, :, ::-1]):
        assert np.einsum("nhwc,mhwc->nm", images, train).max() < 0.95
    copies = thumbnails(map(copied, photographs.bundled("test")))
    assert np.einsum("nhwc,nhwc->n", test, copies).min() > 0.98


def test_no_tile_is_read_twice(mini):
    assert len(np.unique(mini.train.corners, axis=0)) == len(mini.train)
    assert mini.origins.shape == (14_404,)
    assert len(set(mini.origins.tolist())) == len(mini.train.images) == 55
    assert isinstance(hold_out(mini, 100).test, Subset)


def qt_resources(files, packed=()):
    """Builds a Qt resource file of version 3: a folder `in` that holds the files."""
    names, data_part, texts = b"", b"", {}
    for text in ("in", *files):
        texts[text] = len(names)
        names += struct.pack(">HI", len(text), 0) + text.encode("utf-16-be")
    nodes = struct.pack(">IHIIQ", 0, 2, 1, 1, 0)
    nodes += struct.pack(">IHIIQ", texts["in"], 2, len(files), 2, 0)
    for name, content in files.items():
        flags = int(name in packed)
        stored = struct.pack(">I", len(content)) + zlib.compress(content) if flags else content
        nodes += struct.pack(">IHHHIQ", texts[name], flags, 0, 0, len(data_part), 0)
        data_part += struct.pack(">I", len(stored)) + stored
    start = 24
    offsets = (start, start + len(nodes), start + len(nodes) + len(data_part))
    return struct.pack(">4s5I", b"qres", 3, *offsets, 0) + nodes + data_part + names


README = b"""\
Copyright: A. Author
License: CC0-1.0
Source: https://example.org/a
Files: a.webp

Copyright: B. Author
License: CC-BY-SA-4.0
Source: https://example.org/b
Files: b.webp

Copyright: C. Author
License: Public Domain
Source: https://example.org/c
Files:
c.webp
missing.webp
sea1.webp

Copyright: D. Author
License: CC0-1.0
Files: d.webp
"""


def test_only_free_photographs_are_bundled(tmp_path):
    pictures = {f"{name}.webp": name.encode() for name in ("a", "b", "c", "d", "sea1")}
    for resource in make_photographs._RESOURCES:
        content = qt_resources({"README": README, **pictures}, packed={"README"})
        (tmp_path / f"{resource}.rcc").write_bytes(content)
    found = list(make_photographs.photographs(tmp_path))
    assert found[0] == make_photographs.Photograph(
        "clickgame-a.webp", "A. Author", "CC0 1.0", "https://example.org/a", b"a"
    )
    assert [each.content for each in found] == [b"a", b"c"] * len(make_photographs._RESOURCES)
    with pytest.raises(ValueError, match="not a Qt resource file"):
        make_photographs.read_resources(b"junk" * 10)


def test_the_archive_is_reproducible_and_split(tmp_path):
    taken = [
        make_photographs.Photograph(
            f"{number}.webp", "N. N.", "CC0 1.0", "https://x", encoded(number, size=(50, 400))
        )
        for number in range(9)
    ]
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_photographs.write(tmp_path / name, taken)
        contents.append((tmp_path / name / "photographs.zip").read_bytes())
    assert contents[0] == contents[1]
    with zipfile.ZipFile(io.BytesIO(contents[0])) as archive:
        tests = [name for name in archive.namelist() if name.startswith("test/")]
        with Image.open(archive.open("test/4.webp")) as image:
            assert image.size == (384, 3072)
    assert tests == ["test/0.webp", "test/4.webp", "test/8.webp"]
    notice = (tmp_path / "one/LICENSE.photographs").read_text("utf-8")
    assert notice.endswith("test/8.webp\n  N. N.; CC0 1.0\n  https://x\n")
