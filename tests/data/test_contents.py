"""Digests of files and arrays tell whether data changed."""

import io

import numpy as np
import pytest

from ssl_jax.data.contents import changes, digest_of, of_arrays, of_files

PATHS = ("a/1.png", "a/2.png", "b/3.png")


@pytest.fixture
def root(tmp_path):
    for path in PATHS:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(path.encode() * 3)
    return tmp_path


def now(root):
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    return of_files(root, paths, "images")


def test_nothing_changes(root):
    before = now(root).encoded()
    assert changes(before, now(root)) == ""
    assert before == now(root).encoded()
    reordered = of_files(root, PATHS[::-1], "images")
    assert changes(before, reordered) == ""


def test_what_was_added_removed_moved_or_changed_is_said(root):
    before = now(root).encoded()
    (root / "a/1.png").rename(root / "b/9.png")
    (root / "a/2.png").unlink()
    (root / "b/3.png").write_bytes(b"new")
    (root / "c.png").write_bytes(b"c")
    (root / "d.png").write_bytes(b"d")
    assert changes(before, now(root)) == (
        "2 images added (such as c.png), 1 images removed, 1 images moved or renamed "
        "(such as b/9.png), 1 images changed (such as b/3.png)"
    )


def test_a_copy_is_added_not_moved(root):
    before = now(root).encoded()
    (root / "a/8.png").write_bytes((root / "a/1.png").read_bytes())
    assert changes(before, now(root)) == "1 images added (such as a/8.png)"
    (root / "a/8.png").unlink()
    (root / "a/1.png").unlink()
    assert changes(before, now(root)) == "1 images removed"


def test_names_of_any_bytes(tmp_path):
    (tmp_path / "caf\udce9.png").write_bytes(b"x")
    before = of_files(tmp_path, [], "images").encoded()
    assert changes(before, now(tmp_path)) == "1 images added (such as caf\\xe9.png)"


def test_the_digest_reads_the_size_and_the_first_64_kib():
    long = bytes(2**16 + 10)
    digest = digest_of(io.BytesIO(long))
    assert digest == digest_of(io.BytesIO(long[:-1] + b"x"))
    assert digest != digest_of(io.BytesIO(long + b"\0"))
    assert digest != digest_of(io.BytesIO(b"x" + long[1:]))


def test_arrays_count_with_all_their_bytes_their_type_and_their_shape():
    x = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    before = of_arrays({"image": x, "label": x[:, 0, 0]}).encoded()
    same = of_arrays({"image": np.asfortranarray(x), "label": x[:, 0, 0].copy()})
    assert changes(before, same) == ""
    for image in (x.view(np.float32), x.reshape(3, 2, 4), x + (x == 23)):
        other = of_arrays({"image": image, "label": x[:, 0, 0]})
        assert changes(before, other) == "1 arrays changed (such as image)"


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_damaged_record_is_an_error(root, content):
    before = now(root).encoded()
    for damaged in (content, before[:100], before[:-30]):
        with pytest.raises(ValueError, match="not a record of contents"):
            changes(damaged, now(root))
