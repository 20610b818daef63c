"""The samples of one tar file: keys, images, labels, and files that are cut, damaged or hostile."""

import itertools
import json
import os
import re
import tarfile
import tracemalloc

import numpy as np
import pytest

from ssl_jax.data import tar_samples
from ssl_jax.data.formats import ENDINGS
from ssl_jax.data.splits import hashed
from ssl_jax.data.tar_samples import member_name, read_samples
from ssl_jax.errors import InputError
from tests.data.tars import labeled, png, unlabeled, write

LONG = "folder/" * 20 + "n" * 120


def contents(path):
    """Returns the bytes at each record's place."""
    file = path.read_bytes()
    return [file[r["offset"] :][: r["size"]] for r in read_samples(path).records]


def labels(path):
    found = read_samples(path)
    return [found.labels[r["label"]] if r["label"] >= 0 else None for r in found.records]


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_samples(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_samples_are_grouped_as_webdataset_groups_them(tmp_path):
    rng = np.random.default_rng(0)
    pieces = ["a", "b", "c.d/", "e/", ".png", ".PNG", ".jpg", ".cls", ".txt", ".left.png", "/", "_"]
    names = {"".join(rng.choice(pieces, 5)) for _ in range(6000)}
    names = sorted(name for name in names if not re.search(r"^/|//|/$|(^|/)\.", name))
    path = write(tmp_path / "a.tar", [(name, name.encode()) for name in names])

    split = [re.fullmatch(r"((?:.*/|)[^.]+)[.]([^/]*)", name) for name in names]
    named = [m for m in split if m and m[2]]
    expected = []
    for key, members in itertools.groupby(named, lambda match: match[1]):
        endings = [(match[0], match[2].lower()) for match in members]
        plain = [name for name, ending in endings if f".{ending}" in ENDINGS]
        inner = [name for name, ending in endings if ending.endswith((".png", ".jpg"))]
        if plain or inner:
            expected.append((hashed(key), (plain or inner)[0].encode()))
    assert len(expected) > 60
    keys = read_samples(path).records["key"].tolist()
    assert list(zip(keys, contents(path), strict=True)) == expected


def test_of_several_images_the_one_with_a_plain_ending_is_taken(tmp_path):
    names = ["0.left.png", "0.jpg", "0.png", "1.left.png", "1.right.png"]
    path = write(tmp_path / "a.tar", {name: name.encode() for name in names})
    assert contents(path) == [b"0.jpg", b"1.left.png"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_header_is_read(tmp_path, form):
    names = ["0.png", "ü/ß.png", f"{LONG}.png" if form != tarfile.USTAR_FORMAT else "x/1.png"]
    images = {name: png(value) for value, name in enumerate(names)}
    path = write(tmp_path / "a.tar", images, form=form, mtime=1.5)
    assert contents(path) == list(images.values())
    records = read_samples(path).records
    assert records["key"].tolist() == [hashed(name.removesuffix(".png")) for name in names]
    starts = (records["offset"] - 512 * records["blocks"].astype("u8")).tolist()
    assert [member_name(path, start) for start in starts] == names


def test_the_prefix_of_the_current_folder_makes_no_difference(tmp_path):
    one, other = write(tmp_path / "a.tar", {"a/1.png": png()}), tmp_path / "b.tar"
    write(other, {"./a/1.png": png()})
    assert read_samples(one).records["key"] == read_samples(other).records["key"]


@pytest.mark.parametrize(
    ("parts", "label"),
    [
        ({"cls": b"7"}, "7"),
        ({"cls": b" 7\n"}, "7"),
        ({"cls": "\ufeffgr\u00fcn".encode()}, "gr\u00fcn"),
        ({"cls": b"two  words\n"}, "two words"),
        ({"cls": b"\xff"}, "\\xff"),
        ({"cls": b""}, None),
        ({"cls": b"x" * 1025}, None),
        ({"json": b'{"label": 3}'}, "3"),
        ({"json": b'{"label": "cat", "cls": 5}'}, "cat"),
        ({"json": b'{"label": null, "cls": 5}'}, "5"),
        ({"json": b'{"cls": -1}'}, "-1"),
        ({"json": b'{"label": true}'}, None),
        ({"json": b'{"label": [1]}'}, None),
        ({"json": b'{"label": 1.5}'}, None),
        ({"json": b'{"label": "\\ud800"}'}, "\\ud800"),
        ({"json": json.dumps({"label": "x" * 1025}).encode()}, None),
        ({"json": b"[1]"}, None),
        ({"json": b"{"}, None),
        ({"json": b"[" * 100_000}, None),
        ({"json": b'{"label": ' + b"9" * 5000 + b"}"}, None),
        ({"json": b'{"label": 1}' + b" " * 2**20}, None),
        ({"json": b'{"label": 1}', "cls": b"2"}, "2"),
        ({"CLS": b"2"}, "2"),
        ({"txt": b"2"}, None),
        ({"a.cls": b"2"}, None),
    ],
)
@pytest.mark.parametrize("image_first", [True, False])
def test_labels(tmp_path, parts, label, image_first):
    members = {f"0.{ending}": content for ending, content in parts.items()}
    members = {"0.png": png(), **members} if image_first else {**members, "0.png": png()}
    path = write(tmp_path / "a.tar", {"other.png": png(), "other.cls": b"other", **members})
    assert labels(path) == ["other", label]


def test_what_is_not_used_is_counted(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, kind in [
            ("folder.png", tarfile.DIRTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("soft.png", tarfile.SYMTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
            ("device.png", tarfile.CHRTYPE),
            ("sparse.png", tarfile.GNUTYPE_SPARSE),
        ]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        for name in ("README", ".hidden.png", "a/.b/c.png", "__MACOSX/1.png", "1.mp4", "1.cls"):
            tar.addfile(tarfile.TarInfo(name))
        for name in ("2.mp4", "2.cls", "3.txt", "4.a.png", "4.b.png", "4.png"):
            tar.addfile(tarfile.TarInfo(name))
    found = read_samples(path)
    assert len(found.records) == 1
    assert dict(found.without_image) == {".cls .mp4": 2, ".txt": 1}
    assert dict(found.unused) == {
        "a link": 2,
        "a device or a sparse file": 3,
        "no ending": 1,
        "a further image of its sample": 2,
    }
    assert found.cut_at is None


def test_an_image_that_is_too_large_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_samples, "LARGEST_IMAGE", 2**20)
    path = write(tmp_path / "a.tar", {"0.png": png(), "1.png": bytes(2**20 + 1), "2.png": png()})
    found = read_samples(path)
    assert len(found.records) == 2
    assert dict(found.unused) == {"an image above 1 MiB": 1}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_a_file_that_is_cut_anywhere_is_used_up_to_there(tmp_path, form):
    path = write(tmp_path / "a.tar", labeled(range(4)), form=form, mtime=1.5)
    whole = path.read_bytes()
    records = read_samples(path).records
    ends = (records["offset"] + records["size"]).tolist()
    end_of_members = (ends[-1] + 511) // 512 * 512
    inside = [end - 1 for end in ends]
    for size in [*range(512, end_of_members, 256), *inside, *ends, end_of_members]:
        if size < records["offset"][0] and form == tarfile.PAX_FORMAT:
            continue  # the first header is cut
        path.write_bytes(whole[:size])
        found = read_samples(path)
        assert len(found.records) == sum(end <= size for end in ends), size
        assert found.cut_at is not None, size
        assert found.cut_at < size + 512
    path.write_bytes(whole[: end_of_members + 512])
    assert read_samples(path).cut_at is None


def test_a_damaged_header_ends_the_file(tmp_path):
    path = write(tmp_path / "a.tar", unlabeled(range(4)))
    third = int(read_samples(path).records["offset"][2]) - 512
    content = bytearray(path.read_bytes())
    content[third + 10] ^= 1
    path.write_bytes(content)
    found = read_samples(path)
    assert (len(found.records), found.cut_at) == (2, third)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, b"Z"])
@pytest.mark.parametrize("size", [-512, -1024, -1536, 2**62, 2**66])
def test_a_member_of_an_impossible_size_ends_the_file(tmp_path, kind, size):
    """A size of -512 leads back to the start of the same header."""
    path = tmp_path / "a.tar"
    first = write(path, {"0.png": png()}).read_bytes()[:1024]
    member = tarfile.TarInfo("1.png")
    member.size, member.type = size, kind
    path.write_bytes(first + member.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    found = read_samples(path)
    assert (len(found.records), found.cut_at) == (1, 1024)


def test_a_header_that_asks_for_too_much_memory_ends_the_file(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tar", {"0.png": png(), LONG: b""}, form=tarfile.GNU_FORMAT)
    assert read_samples(path).cut_at is None
    monkeypatch.setattr(tar_samples, "_LARGEST_HEADER", 512)
    write(path, {"0.png": png(), 3 * LONG: b""}, form=tarfile.GNU_FORMAT)
    found = read_samples(path)
    assert (len(found.records), found.cut_at) == (1, 1024)


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_compressed_files_are_refused(tmp_path, mode):
    path = tmp_path / "a.tar"
    with tarfile.open(path, f"w:{mode}") as tar:
        tar.addfile(tarfile.TarInfo("0.png"))
    assert refusal(path) == (
        f"{path}: is compressed; expected a plain tar file, whose members can be read in any order"
    )


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\3\4" + bytes(2000), b"x" * 2000])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path}: is not a tar file; expected a plain tar file")


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    assert refusal(tmp_path / "a.tar").startswith(f"{tmp_path}/a.tar: cannot be read (No such file")

    def fail(*_):
        raise OSError(5, "Input/output error")

    path = write(tmp_path / "a.tar", labeled(range(2)))
    monkeypatch.setattr(os, "pread", fail)
    assert refusal(path).startswith(f"{path}: cannot be read (Input/output error); expected")


def test_an_empty_archive_has_no_samples(tmp_path):
    found = read_samples(write(tmp_path / "a.tar", {}))
    assert (len(found.records), found.cut_at) == (0, None)


def test_members_are_not_kept_in_memory(tmp_path):
    def peak(count):
        path = write(tmp_path / "a.tar", [(f"{value}.png", b"x") for value in range(count)])
        tracemalloc.start()
        found = read_samples(path)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(found.records) == count
        return highest

    peak(10)
    few, many = peak(200), peak(2200)
    assert (many - few) / 2000 < 400  # a TarInfo has 1,000 bytes
