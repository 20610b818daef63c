"""Tar shards as a dataset: splits, labels, reading in any order, exact resume, bad input."""

import contextlib
import functools
import io
import itertools
import logging
import os
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl_jax import data
from ssl_jax.data import shards
from ssl_jax.data.contents import changes
from ssl_jax.data.dataset import gather, labels_of
from ssl_jax.data.frame import Frame
from ssl_jax.data.splits import hashed
from ssl_jax.errors import InputError
from tests.data.tars import labeled, png, unlabeled, values, write

lazily = pytest.mark.parametrize("cache_mib", [2048, 0], ids=["memory", "lazy"])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/ssl_jax/shards"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def load(root, **options):
    return data.load({"name": f"wds:{root}", "image_size": 8, **options})


def refusal(root, **options):
    with pytest.raises(InputError) as caught:
        load(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def all_values(dataset):
    return sorted(values(dataset.train) + values(dataset.test))


@lazily
def test_without_a_test_split_the_keys_choose_test_images(root, cache_mib):
    write(root / "a.tar", unlabeled(range(60)))
    dataset = load(root, cache_mib=cache_mib)
    chosen = [value for value in range(60) if hashed(f"{value:04}") % 10 == 0]
    assert values(dataset.test) == chosen
    assert values(dataset.train) == [value for value in range(60) if value not in chosen]
    assert dataset.label_names is None
    assert set(dataset.train[0]) == {"image"}
    assert dataset.pretrain is dataset.train
    assert f"no test images given: {len(chosen)} of 60 images are held out by name" in dataset.notes

    write(root / "0.tar", unlabeled(range(60, 120)))
    more = load(root, cache_mib=cache_mib)
    assert [value for value in values(more.test) if value < 60] == chosen
    assert all_values(more) == list(range(120))


@pytest.mark.parametrize("count", range(2, 9))
def test_few_images_have_a_nonempty_training_and_test_set(root, count):
    write(root / "a.tar", unlabeled(range(count // 2)))
    write(root / "b.tar", unlabeled(range(count // 2, count)))
    dataset = load(root)
    assert len(dataset.test) >= 1
    assert len(dataset.train) >= 1
    assert all_values(dataset) == list(range(count))


def test_samples_with_the_same_key_are_not_lost(root):
    for number in range(4):
        write(root / f"{number}.tar", {"0.png": png(number)})
    dataset = load(root)
    assert {len(dataset.train), len(dataset.test)} == {1, 3}
    assert all_values(dataset) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("names", "train", "test"),
    [
        (["train/0", "train/x/1", "test/2"], [0, 1], [2]),
        (["VALIDATION/0", "Train/1"], [1], [0]),
        (["train-000", "train-001", "test-000"], [0, 1], [2]),
        (["imagenet1k-train-0000", "imagenet1k-validation-00"], [0], [1]),
        (["images_train_0", "images.val.0"], [0], [1]),
        (["train0", "valid0"], [0], [1]),
        (["train-0", "val-0", "test-0", "valid-0"], [0], [2]),
        (["train-0", "valid-0", "val-0"], [0], [2]),
        (["000", "001", "test-000"], [0, 1], [2]),
        (["train-0", "000", "test-0"], [0], [2]),
        (["train/test-0", "test/train-0"], [0], [1]),
        (["trained-0", "latest-0", "test-0"], [0, 1], [2]),
    ],
)
def test_splits_follow_the_names_of_the_shards(root, names, train, test):
    for number, name in enumerate(names):
        write(root / f"{name}.tar", unlabeled([number]))
    dataset = load(root)
    assert sorted(values(dataset.train)) == train
    assert values(dataset.test) == test
    others = [name for number, name in enumerate(names) if number not in (*train, *test)]
    ignored = [note for note in dataset.notes if note.startswith("ignored, outside the splits: ")]
    assert len(ignored) == bool(others)
    assert all(name in ignored[0] for name in others)


@pytest.mark.parametrize("names", [["test-0", "test-1"], ["val/0", "test/1"]])
def test_test_shards_alone_are_for_training(root, names):
    for number, name in enumerate(names):
        write(root / f"{name}.tar", unlabeled(range(number * 20, number * 20 + 20)))
    dataset = load(root)
    assert all_values(dataset) == list(range(40))
    assert len(dataset.train) > len(dataset.test)


def test_a_single_file_and_a_range(root):
    for number in range(12):
        write(root / f"train-{number:06}.tar", unlabeled(range(number * 5, number * 5 + 5)))
        write(root / f"{number}/x.tar", unlabeled([100 + number]))
    assert all_values(load(root / "train-000003.tar")) == list(range(15, 20))
    assert all_values(load(root / "train-{000002..000010}.tar")) == list(range(10, 55))
    assert all_values(load(root / "train-{000002..10}.tar")) == list(range(10, 55))
    assert all_values(load(root / "{8..11}/x.tar")) == [108, 109, 110, 111]
    both = load(root / "train-0000{0..1}{0..1}.tar")
    assert all_values(both) == [*range(10), *range(50, 60)]
    message = refusal(root / "train-{000009..000014}.tar")
    assert message.startswith(
        f"data.name: 'wds:{root}/train-{{000009..000014}}.tar' does not exist: 3 of 6 shards are "
        f"missing, such as {root}/train-000012.tar; expected a folder of .tar files, one of them "
    )
    assert "{0..9999}/{0..9999}' stands for 100,000,000 shards" in refusal(
        root / "{0..9999}/{0..9999}"
    )


@lazily
def test_labels(root, cache_mib):
    write(root / "train-0.tar", labeled(range(6), lambda value: "ba"[value % 2]))
    members = {f"{value}.png": png(value) for value in (6, 7, 8)}
    texts = {f"{value}.json": b'{"label": "%c"}' % label for value, label in ((6, b"b"), (7, b"c"))}
    write(root / "test-0.tar", dict(sorted({**members, **texts, "8.cls": b"a"}.items())))
    dataset = load(root, cache_mib=cache_mib)
    assert dataset.label_names == ("a", "b")
    assert [int(dataset.train[row]["label"]) for row in range(6)] == [1, 0, 1, 0, 1, 0]
    assert labels_of(dataset.train).tolist() == [1, 0, 1, 0, 1, 0]
    assert labels_of(dataset.train).dtype == np.int32
    assert values(dataset.test) == [6, 8]
    batch = gather(dataset.test, np.array([0, 1]))
    assert batch["label"].tolist() == [1, 0]
    assert batch["label"].dtype == np.int32
    assert "test images of labels without training images are left out: c" in dataset.notes


def test_numbers_as_labels_are_in_order(root):
    write(root / "train.tar", labeled(range(12), lambda value: 11 - value))
    write(root / "val.tar", labeled([99], lambda _: 10))
    dataset = load(root)
    assert dataset.label_names == tuple(map(str, range(12)))
    assert dataset.train.labels.tolist() == list(range(11, -1, -1))
    assert dataset.test.labels.tolist() == [10]
    write(root / "train-more.tar", labeled([98], lambda _: "cat"))
    assert load(root).label_names == (*sorted(map(str, range(12))), "cat")


@lazily
def test_samples_without_a_label_are_used_for_pretraining_only(root, cache_mib):
    write(root / "train.tar", {**labeled([1, 2]), **unlabeled([3, 4, 5])})
    write(root / "test.tar", {**unlabeled([6, 7]), **labeled([8])})
    dataset = load(root, cache_mib=cache_mib)
    assert values(dataset.pretrain) == [3, 4, 5, 1, 2]
    assert values(dataset.train) == [1, 2]
    assert values(dataset.test) == [8]
    assert set(gather(dataset.pretrain, np.arange(5))) == {"image"}
    assert "3 images without a label are used for pretraining only" in dataset.notes
    assert "2 test images without a label are left out" in dataset.notes


def test_labeled_images_are_divided_if_no_test_image_has_a_label(root):
    write(root / "train.tar", {**labeled(range(40)), **unlabeled(range(40, 50))})
    write(root / "test.tar", unlabeled([99]))
    dataset = load(root)
    assert all_values(dataset) == list(range(40))
    assert sorted(values(dataset.pretrain)) == sorted([*values(dataset.train), *range(40, 50)])


@pytest.mark.parametrize("train_labels", [["a", "a"], [None, None]])
def test_fewer_than_two_labels_count_as_none(root, train_labels):
    members = {}
    for value, label in enumerate(train_labels):
        members |= labeled([value], lambda _, label=label: label) if label else unlabeled([value])
    write(root / "train.tar", members)
    write(root / "test.tar", {**labeled([2], lambda _: "b"), **unlabeled([3])})
    dataset = load(root)
    assert dataset.label_names is None
    assert (values(dataset.train), values(dataset.test)) == ([0, 1], [2, 3])
    assert set(dataset.test[0]) == {"image"}
    note = "no labels: they need at least two labels of training images"
    assert note in dataset.notes


@lazily
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_pixels_are_those_of_the_same_files(root, cache_mib, form):
    rng = np.random.default_rng(0)
    files = {}
    for number, size in enumerate([(20, 30), (31, 17), (8, 8), (64, 40)]):
        picture = rng.integers(0, 256, (*size, 3), np.uint8)
        for ending in ("png", "webp", "jpg"):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, {"jpg": "JPEG"}.get(ending, ending))
            files[f"ü{number}{ending}.{ending}"] = file.getvalue()
    write(root / "train.tar", files, form=form, mtime=0.5)
    write(root / "test.tar", unlabeled([1]))
    for stored in (None, 12):
        dataset = load(root, cache_mib=cache_mib, stored_size=stored)
        frame = Frame(8, 3, stored)
        for row, content in enumerate(files.values()):
            expected = frame.decode(io.BytesIO(content))
            assert dataset.pretrain[row].keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_array_equal(dataset.pretrain[row][name], value)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_size_and_channels_are_chosen_from_headers_spread_over_the_images(
    root, mode, channels, monkeypatch
):
    monkeypatch.setattr(shards, "_HEADERS", 7)
    many = {f"{value}.png": png(50, (40, 33), mode) for value in range(300)}
    write(root / "a.tar", many)
    read = []
    monkeypatch.setattr(
        shards.Store, "read", lambda *a, read_one=shards.Store.read: read.append(a) or read_one(*a)
    )
    config = {"image_size": None, "cache_mib": 0, "mean": (0,) * channels, "std": (1,) * channels}
    dataset = load(root, **config)
    assert len(read) == 7
    assert (dataset.facts["image_size"], dataset.facts["channels"]) == (32, channels)
    assert dataset.train[0]["image"].shape == (32, 32, channels)
    assert load(root, image_size=40).notes[-1] == (
        "half of the images have a shorter side of 33 pixels or less; all are enlarged to "
        "data.image_size 40"
    )


def damage(root):
    """Writes three good images and three that cannot be read, one of which has a valid header."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    bad = {f"a/{'long' * 40}.png": file.getvalue()[:3000], "empty.gif": b"", "text.webp": b"hello"}
    good = [(f"{value}.png", png(value)) for value in (7, 8)]
    train = write(root / "train.tar", [*bad.items(), *good], form=tarfile.PAX_FORMAT, mtime=0.5)
    write(root / "test.tar", unlabeled([9]))
    return [f"{train.resolve()}:{name}" for name in sorted(bad)]


def test_images_that_cannot_be_decoded_are_left_out_and_listed(root, caplog):
    unreadable = damage(root)
    dataset = load(root)
    assert sorted(dataset.unreadable) == unreadable
    assert (values(dataset.train), values(dataset.test)) == ([7, 8], [9])
    assert not caplog.records


def test_without_cache_they_are_replaced_by_the_next_and_reported_once(root, caplog):
    unreadable = damage(root)
    dataset = load(root, cache_mib=0, mean=(0, 0, 0), std=(1, 1, 1))
    assert sorted(dataset.unreadable) == unreadable[1:]  # the header of the first can be read
    with caplog.at_level(logging.WARNING):
        assert values(dataset.train) == values(dataset.train) == [7, 7, 7, 7, 8]
    assert [record.args[0] for record in caplog.records] == unreadable[:1]
    assert sorted(dataset.unreadable) == unreadable
    assert "images are decoded on every read: they do not fit in data.cache_mib" in dataset.notes


def test_too_many_that_cannot_be_decoded(root):
    damage(root)
    assert len(load(root, max_unreadable=3).unreadable) == 3
    message = refusal(root, max_unreadable=2)
    assert message.startswith(f"data.max_unreadable: 2 is exceeded in wds:{root}; expected no more")
    assert "/train.tar:" in message


@lazily
def test_shards_that_are_cut_are_used_up_to_there(root, cache_mib):
    path = write(root / "train.tar", labeled(range(10)))
    write(root / "test.tar", labeled([20, 21]))
    path.write_bytes(path.read_bytes()[: 7 * 2048 + 1536])  # the header of the eighth image
    dataset = load(root, cache_mib=cache_mib)
    assert values(dataset.train) == list(range(7))
    note = f"1 shards are cut or damaged, and used up to there: {path.resolve()} at byte 15,360"
    assert note in dataset.notes


def test_what_is_not_used_is_counted(root):
    members = [
        *labeled(range(4)).items(),
        ("x.mp4", b""),
        ("x.cls", b"1"),
        ("y.txt", b""),
        ("z", b""),
    ]
    write(root / "train.tar", members)
    write(root / "test.tar", labeled([4]))
    (root / "train.idx").write_text("")
    (root / "stats.json").write_text("")
    (root / "more.tar.gz").write_bytes(b"")
    notes = load(root).notes
    assert "2 samples have no image (.cls .mp4: 1, .txt: 1)" in notes
    assert "1 members of shards are not used (no ending: 1)" in notes
    (files,) = [note for note in notes if note.startswith("3 files are not read (")]
    assert all(kind in files for kind in (".idx: 1", ".json: 1", ".gz: 1", "endings: .tar"))


def test_resuming_gives_the_same_batches_however_the_shards_are_listed(root, cache, monkeypatch):
    for number in range(7):
        write(root / f"{number % 3}/{number}.tar", labeled(range(number * 9, number * 9 + 9)))

    def batches(start, count):
        with_stop = data.batches(load(root, cache_mib=0).pretrain, 8, seed=3, start_step=start)
        found = list(itertools.islice(with_stop, count))
        with_stop.close()
        return found

    def equal(left, right):
        return all(
            (a["image"] == b["image"]).all() and (a["label"] == b["label"]).all()
            for a, b in zip(left, right, strict=True)
        )

    whole = batches(0, 12)
    assert equal(batches(5, 7), whole[5:])
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: reversed(list(listed(folder))))
    assert equal(batches(5, 7), whole[5:])
    shutil.rmtree(cache)
    assert equal(batches(5, 7), whole[5:])
    moved = root.rename(root.with_name("elsewhere"))
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    loaded = load(moved, cache_mib=0)
    again = data.batches(loaded.pretrain, 8, seed=3, start_step=5)
    assert equal(list(itertools.islice(again, 7)), whole[5:])
    again.close()


def open_shards(root):
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found += os.readlink(f"/proc/self/fd/{number}").startswith(str(root))
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="lists open files")
def test_few_shards_are_open_at_a_time(root, monkeypatch):
    monkeypatch.setattr(shards, "_KEPT_OPEN", 4)
    for number in range(40):
        write(root / f"train-{number}.tar", unlabeled([number, number + 100]))
    write(root / "test.tar", unlabeled([250]))
    train = load(root, cache_mib=0, mean=(0, 0, 0), std=(1, 1, 1)).train
    expected = values(train)
    assert sorted(expected) == [*range(40), *range(100, 140)]
    rows = np.random.default_rng(0).permutation(np.tile(np.arange(80), 20)).tolist()

    def read(source, row):
        return int(source[row]["image"][0, 0, 0]) == expected[row], open_shards(root)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(functools.partial(read, train), rows))
    assert all(is_right for is_right, _ in found)
    assert 4 <= max(count for _, count in found) <= 4 + 8
    del train
    assert open_shards(root) == 0


def test_a_shard_that_changes_during_a_run_is_not_read(root, monkeypatch):
    monkeypatch.setattr(shards, "_KEPT_OPEN", 1)
    paths = [write(root / f"{number}.tar", unlabeled(range(9))) for number in range(2)]
    dataset = load(root, cache_mib=0)
    values(dataset.train)
    write(paths[0], unlabeled(range(20)))
    with pytest.raises(InputError) as caught:
        values(dataset.train)
    assert str(caught.value).startswith(f"{paths[0].resolve()}: has changed since it was indexed;")


def test_few_labels_and_held_out_images(root):
    write(root / "train.tar", {**labeled(range(40)), **unlabeled(range(40, 50))})
    write(root / "test.tar", labeled([99]))
    dataset = load(root, labels=3, holdout=10, cache_mib=0)
    assert np.bincount(dataset.train.labels).tolist() == [3, 3]
    assert np.bincount(dataset.test.labels).tolist() == [5, 5]
    assert not set(values(dataset.test)) & set(values(dataset.pretrain))
    assert len(dataset.pretrain) == 40


def test_a_run_s_shards_are_read(root):
    write(root / "a.tar", labeled(range(20)))
    dataset = load(root)
    again = data.load_of_run({"name": f"wds:{root}", **dataset.facts})
    assert values(again.train) == values(dataset.train)
    assert again.facts == dataset.facts


def test_paths_that_cannot_be_used(root):
    name = f"data.name: 'wds:{root}'"
    assert refusal("") == "data.name: 'wds:' names no shards; expected wds:/path"
    assert refusal(root).startswith(f"{name} does not exist; expected a folder of .tar files")
    root.mkdir()
    assert refusal(root) == f"{name} holds no shard"
    (root / "a.tar.gz").write_bytes(b"\x1f\x8b")
    assert (
        refusal(root)
        == f"{name} holds no shard; 1 files are not read (.gz: 1); expected endings: .tar"
    )
    (root / "a.tar").write_bytes(b"\x1f\x8b")
    assert refusal(root).startswith(f"{root.resolve()}/a.tar: is compressed; expected a plain tar")


def test_too_few_images(root):
    name = f"data.name: 'wds:{root}' holds"
    write(root / "a.tar", {"0.txt": b"", "1.txt": b""})
    message = refusal(root)
    assert message.startswith(f"{name} no image to train on; expected members ending in .png, ")
    assert message.endswith("; 2 samples have no image (.txt: 2)")
    write(root / "a.tar", unlabeled([0]))
    assert "expected at least 2, found 1" in refusal(root)
    write(root / "a.tar", {"0.png": b"junk", "1.png": b"junk"})
    expected = "expected at least 2 besides the 2 unreadable ones"
    assert refusal(root) == f"{name} too few readable images to train and test on; {expected}"
    write(root / "a.tar", {"0.png": png(), "1.png": png()[:-30]})
    assert "besides the 1 unreadable ones" in refusal(root)
    write(root / "a.tar", {f"IMG.{number:04}.jpg": b"" for number in range(50)})
    assert "(a further image of its sample: 49)" in refusal(root)


def test_contents_tell_shards_by_their_place_below_the_folder(root, tmp_path):
    write(root / "train.tar", labeled(range(6)))
    write(root / "test.tar", labeled([7]))
    before = load(root).contents.encoded()
    moved = root.rename(tmp_path / "moved")
    assert changes(before, load(moved).contents) == ""
    write(moved / "train-1.tar", labeled([8]))
    assert changes(before, load(moved).contents) == "1 shards added (such as train-1.tar)"


def test_deep_images_are_scaled_by_the_range_of_the_data(root):
    ramp = np.linspace(0, 1000, 64).reshape(8, 8).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "PNG")
    write(root / "train.tar", {f"{number}.png": file.getvalue() for number in range(12)})
    dataset = load(root)
    assert dataset.facts["value_range"] == (0, 1000)
    assert dataset.train[0]["image"].max() == 255
