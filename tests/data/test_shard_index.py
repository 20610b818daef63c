"""The index of shards: built once, again only where a shard has changed, and never trusted."""

import os
import shutil
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ssl_jax.data import shard_index
from ssl_jax.data.shard_index import open_index, shard_at
from ssl_jax.data.tar_samples import RECORD, Samples, read_samples
from ssl_jax.errors import InputError
from tests.data.tars import labeled, unlabeled, write


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/ssl_jax/shards"


@pytest.fixture
def read(monkeypatch):
    """Lists the shards that are read, by name."""
    names = []

    def counting(path):
        names.append(path.name)
        return read_samples(path)

    monkeypatch.setattr(shard_index, "read_samples", counting)
    return names


def some_shards(root, count=3, samples=20):
    return [
        write(root / f"{number}.tar", labeled(range(number * samples, (number + 1) * samples)))
        for number in range(count)
    ]


def opened(paths, name="wds:/data"):
    return open_index(name, list(map(shard_at, paths)), [])


def facts(index):
    """Returns all that an index says, as plain values."""
    return index.records.tolist(), list(index.counts), index.label_names, index.notes


def refusal(paths):
    with pytest.raises(InputError) as caught:
        opened(paths)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_shards_are_read_once(tmp_path, cache, read):
    paths = some_shards(tmp_path / "data")
    first = facts(opened(paths))
    assert sorted(read) == ["0.tar", "1.tar", "2.tar"]
    assert facts(opened(paths)) == first
    assert len(read) == 3
    assert cache.stat().st_mode & 0o777 == 0o700


def test_records_are_sorted_by_split_and_read_through_a_memory_map(tmp_path, cache):
    paths = [
        write(tmp_path / "a.tar", labeled(range(30)) | unlabeled(range(30, 35))),
        write(tmp_path / "b.tar", unlabeled(range(40, 45)) | labeled(range(50, 80))),
    ]
    index = opened(paths)
    unlabeled_records, train, test = index.splits
    assert [len(unlabeled_records), *map(len, (train, test))] == list(index.counts)
    assert len(unlabeled_records) == 10
    assert len(train) + len(test) == 60
    assert (unlabeled_records["label"] == -1).all()
    assert unlabeled_records["shard"].tolist() == [0] * 5 + [1] * 5
    for records in (train, test):
        assert (np.diff(records["shard"].astype(int)) >= 0).all()
    base = index.records
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    assert not base.flags.writeable


def test_only_what_has_changed_is_read_again(tmp_path, cache, read):
    paths = some_shards(tmp_path / "data")
    opened(paths)
    read.clear()
    write(paths[1], labeled(range(100, 130)))
    assert len(opened(paths).records) == 70
    assert read == ["1.tar"]
    opened([*paths, write(tmp_path / "data/3.tar", labeled(range(200, 205)))])
    assert read == ["1.tar", "3.tar"]
    assert len(opened(paths[:2]).records) == 50
    os.utime(paths[0], ns=(0, 0))
    opened(paths[:2])
    assert read == ["1.tar", "3.tar", "0.tar"]
    assert read == ["1.tar", "3.tar", "0.tar"]


def test_the_index_of_an_earlier_state_is_deleted_after_a_day(tmp_path, cache):
    paths = some_shards(tmp_path / "data")
    states = [paths[:1], paths[:2], paths]
    opened(paths[:1], "wds:/other")
    opened(states[0])
    for path in cache.glob("*-*"):
        os.utime(path, ns=(0, 0))
    opened(states[1])
    opened(states[2])
    assert len(list(cache.glob("*.npy"))) == len(list(cache.glob("*.json"))) == 3
    assert len(list(cache.glob("*.npz"))) == 3


def test_data_sets_with_the_same_shards_share_what_was_read(tmp_path, cache, read):
    paths = some_shards(tmp_path / "data")
    opened(paths, "wds:/one")
    opened(paths[:2], "wds:/other")
    opened(paths, "wds:/one")
    assert len(read) == 3
    assert len(list(cache.glob("*.npy"))) == 2


def cut(content):
    return content[: len(content) // 2]


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("ending", ["npz", "npy", "json"])
@pytest.mark.parametrize("damage", [cut, flip, lambda _: b"", lambda _: b"\x80\4.", None])
def test_a_damaged_index_is_built_again(tmp_path, cache, ending, damage):
    paths = some_shards(tmp_path / "data")
    expected = facts(opened(paths))
    for path in cache.glob(f"*.{ending}"):
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage(path.read_bytes()))
    if ending == "npz":
        next(cache.glob("*.json")).unlink()
    for _ in range(2):
        assert facts(opened(paths)) == expected


def test_an_index_of_another_shard_is_not_used(tmp_path, cache):
    """As if the hashes of two paths were the same."""
    one, other = some_shards(tmp_path / "data", 2)
    for path in (one, other):
        os.utime(path, ns=(0, 0))
    opened([one])
    (file,) = cache.glob("*.npz")
    content = file.read_bytes()
    shutil.rmtree(cache)
    expected = facts(opened([other]))
    (file,) = cache.glob("*.npz")
    file.write_bytes(content)
    next(cache.glob("*.json")).unlink()
    assert facts(opened([other])) == expected


def test_several_may_build_at_the_same_time(tmp_path, cache):
    paths = some_shards(tmp_path / "data", 5, samples=40)
    expected = facts(opened(paths))
    with ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            shutil.rmtree(cache)
            found = threads.map(lambda _: facts(opened(paths)), range(8))
            assert all(each == expected for each in found)
            assert len(list(cache.iterdir())) == 5 + 2


def test_several_may_open_the_same_folder_in_different_states(tmp_path, cache):
    paths = some_shards(tmp_path / "data", 4)
    states = [paths[:2], paths[1:], paths, paths[:3]]
    expected = [facts(opened(state)) for state in states]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(10):
            assert list(threads.map(lambda state: facts(opened(state)), states)) == expected


def test_an_interruption_keeps_what_was_read(tmp_path, cache, read, monkeypatch):
    paths = some_shards(tmp_path / "data")
    reading = shard_index.read_samples

    def interrupted(path):
        if path.name == "2.tar":
            raise KeyboardInterrupt
        return reading(path)

    monkeypatch.setattr(shard_index, "read_samples", interrupted)
    with pytest.raises(KeyboardInterrupt):
        opened(paths)
    monkeypatch.setattr(shard_index, "read_samples", reading)
    opened(paths)
    assert sorted(read) == ["0.tar", "1.tar", "2.tar"]


def test_a_shard_that_grows_while_it_is_read_is_refused(tmp_path, cache, monkeypatch):
    (path,) = some_shards(tmp_path / "data", 1)

    def growing(path):
        found = read_samples(path)
        path.write_bytes(path.read_bytes() + bytes(512))
        return found

    monkeypatch.setattr(shard_index, "read_samples", growing)
    assert refusal([path]) == f"{path}: changes while it is read; expected a complete file"
    assert not list(cache.iterdir())


@pytest.mark.parametrize("function", ["savez", "frombuffer"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, cache, monkeypatch, function):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    paths = some_shards(tmp_path / "data", 1)
    monkeypatch.setattr(np, function, fail)
    message = refusal(paths)
    assert message.startswith("XDG_CACHE_HOME: the index of the shards cannot be kept: [Errno 28]")
    assert not list(cache.iterdir())


def test_a_cache_that_cannot_be_written_is_said(tmp_path, cache, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    message = refusal(some_shards(tmp_path / "data"))
    assert message.startswith("XDG_CACHE_HOME: the index of the shards cannot be kept: [Errno ")


def test_shards_that_cannot_be_read_are_named(tmp_path, cache):
    message = refusal([tmp_path / "none.tar"])
    assert message.startswith(f"{tmp_path}/none.tar: cannot be read (No such file")


def test_memory_does_not_grow_with_the_images(tmp_path, cache, monkeypatch):
    """At 22 bytes, the records of 200,000 images more would be 4.4 MB."""
    per_shard = 2000

    def synthetic(path):
        rng = np.random.default_rng(int(path.stem))
        records = np.empty(per_shard, RECORD)
        records["key"] = rng.integers(0, 2**63, per_shard)
        records["offset"] = np.arange(per_shard) * 1024 + 512
        records["size"], records["blocks"] = 500, 1
        records["label"] = rng.integers(-1, 10, per_shard)
        return Samples(records, tuple(map(str, range(10))), Counter(), Counter(), None)

    monkeypatch.setattr(shard_index, "read_samples", synthetic)
    paths = [tmp_path / f"{number}.tar" for number in range(110)]
    for path in paths:
        path.write_bytes(b"")
    opened(paths[:3])

    def measured(count):
        tracemalloc.start()
        built = opened(paths[:count])
        again = opened(paths[:count])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(built.records) == len(again.records) == count * per_shard
        return peak

    few, many = measured(10), measured(110)
    assert many - few < 300_000
