"""How `hf:` data is named and loaded, and what a data set from someone else cannot do."""

import logging
import os
import sys

import datasets
import pytest
from datasets import Features, Image, Value

from ssl_jax import data
from ssl_jax.data.listing import open_named
from ssl_jax.errors import InputError
from tests import tiny
from tests.data.test_huggingface import (
    encoded,
    load,
    pictures,
    put,
    put_labeled,
    refusal,
    values,
)
from tests.data.test_listing import config_data


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def refused(root, name, **options):
    return refusal(root, name=name, **options)


@pytest.mark.parametrize(
    "name",
    ["", "cifar10", "csv", "a/b/c", "buckets/a/b", "a/..", "-a/b", "a/b:", "a/b:c/d", "a/b\n"],
)
def test_only_names_with_an_owner_are_looked_up(tmp_path, name):
    message = refused(tmp_path, f"hf:{name}")
    assert message.endswith(
        "is not a name on the Hugging Face Hub; expected hf:OWNER/NAME, hf:OWNER/NAME:CONFIG, or a "
        "folder as hf:/path or hf:./path"
    )


def test_a_missing_folder_is_refused(tmp_path):
    assert "there is no such user" in refused(tmp_path, "hf:~no-such-user/set")
    (tmp_path / "file").touch()
    for path, what in (("none", "does not exist"), ("file", "is not a folder")):
        message = refused(tmp_path, f"hf:{tmp_path}/{path}")
        assert message.endswith(f"/{path}' {what}; expected a folder of Parquet files or images")


def test_a_folder_below_the_working_directory_is_named_with_a_dot(tmp_path, monkeypatch):
    put_labeled(tmp_path, "train", [1, 2])
    (tmp_path / "set").rename(tmp_path / "csv")  # also the name of a reader of datasets
    monkeypatch.chdir(tmp_path)
    assert values(load(tmp_path, "hf:./csv").train) == [2]
    message = refused(tmp_path, "hf:csv/data")
    assert message.endswith(
        "is also a path here; expected hf:./csv/data for that path, or another working directory"
    )


def test_a_path_may_start_in_the_home_folder(tmp_path, monkeypatch):
    put_labeled(tmp_path, "train", [1, 2])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert values(load(tmp_path, "hf:~/set").train) == [2]


def test_a_name_that_cannot_be_reached_is_refused(tmp_path):
    message = refused(tmp_path, "hf:no-one/nothing")
    assert message.startswith(
        "data.name: 'hf:no-one/nothing' cannot be loaded by datasets: Couldn't reach "
    )
    assert message.endswith("and a network connection if they are on the Hub")
    assert not any(logging.getLogger(name).propagate for name in ("datasets", "huggingface_hub"))


@pytest.mark.parametrize("version", [None, "3.6.0"])
def test_a_missing_or_old_package_is_named(tmp_path, monkeypatch, version):
    if version is None:
        monkeypatch.setitem(sys.modules, "datasets", None)
    else:
        monkeypatch.setattr(datasets, "__version__", version)
    message = refused(tmp_path, "hf:a/b")
    assert message.startswith("data.name: 'hf:a/b' needs ")
    assert message.endswith("; expected `pip install 'ssl_jax[hf]'`")


class Hub:
    """Stands in for the Hub: its data sets are the local folder `set`."""

    def __init__(self, root, monkeypatch):
        whole = datasets.load_dataset_builder

        def builder(path, config, *, cache_dir):
            self.asked = path, config, cache_dir
            return whole(str(root / "set"), cache_dir=cache_dir)

        monkeypatch.setattr(datasets, "load_dataset_builder", builder)


@pytest.mark.parametrize(("name", "config"), [("a/b", None), ("A-1/b.c_d:small v1", "small v1")])
def test_a_name_on_the_hub_is_loaded(tmp_path, monkeypatch, name, config):
    put_labeled(tmp_path, "train", range(11))
    hub = Hub(tmp_path, monkeypatch)
    dataset = load(tmp_path, f"hf:{name}")
    assert hub.asked == (name.partition(":")[0], config, str(tmp_path / "cache"))
    assert values(dataset.test) == [0, 10]


@pytest.mark.parametrize("cache", ["data_dir", "datasets", "hub"])
def test_data_of_the_hub_reads_no_other_files(tmp_path, monkeypatch, cache):
    paths = {name: tmp_path / name / "1.png" for name in ("data_dir", "datasets", "hub", "mine")}
    for path in paths.values():
        path.parent.mkdir()
        path.write_bytes(encoded(9))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    used = tmp_path / "data_dir" if cache == "data_dir" else None
    out = f"{paths[cache].parent}/../mine/1.png"
    beside = tmp_path / f"{cache}-2" / "1.png"  # starts like a cache
    beside.parent.mkdir()
    beside.write_bytes(encoded(9))
    images = [
        *(
            {"bytes": None, "path": str(path)}
            for path in (paths[cache], paths["mine"], out, beside)
        ),
        {"bytes": None, "path": f"zip://1.png::{paths['mine']}"},
        {"bytes": None, "path": "https://example.com/1.png"},
        {"bytes": None, "path": None},
        {"bytes": encoded(8), "path": "/anything"},
    ]
    put(tmp_path, "train", image=images, label=[0] * len(images))
    put_labeled(tmp_path, "test", [1])
    Hub(tmp_path, monkeypatch)
    dataset = load(tmp_path, "hf:a/b", data_dir=used and str(used))
    assert values(dataset.train) == [9, 8]
    assert sorted(dataset.unreadable) == [f"train/{row}" for row in range(1, 7)]
    own = load(tmp_path, data_dir=used and str(used))
    assert values(own.train) == [9, 9, 9, 9, 8]


def test_files_that_are_not_regular_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    rows = [{"bytes": None, "path": str(tmp_path / "pipe.png")}, *pictures([1])]
    put(tmp_path, "train", image=rows, label=[0, 1])
    put_labeled(tmp_path, "test", [1])
    assert list(load(tmp_path).unreadable) == ["train/0"]


def test_data_without_images_is_not_downloaded(tmp_path, monkeypatch):
    class Text:
        class info:
            features = Features({"text": Value("string")})

        def download_and_prepare(self):
            pytest.fail("downloaded")

    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_, **__: Text())
    assert "has no column of images, only text" in refused(tmp_path, "hf:a/b")


def test_no_script_is_run(tmp_path):
    put_labeled(tmp_path, "train", [1, 2])
    (tmp_path / "set/set.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    assert "scripts are no longer supported" in refusal(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_errors_are_told_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    assert "cannot be loaded by datasets: " in refusal(tmp_path)
    (tmp_path / "set/train.parquet").write_bytes(b"junk")
    assert "cannot be loaded by datasets: Parquet " in refusal(tmp_path)
    put_labeled(tmp_path, "train", [1, 2])
    whole = tmp_path / "set/data/train-00000-of-00001.parquet"
    whole.rename(whole.with_name("train-00000-of-00002.parquet"))
    (whole.parent / "train-00001-of-00002.parquet").write_bytes(b"junk")
    (tmp_path / "set/train.parquet").unlink()
    assert "minimum file footer" in refusal(tmp_path)

    def fail(*_, **__):
        raise ValueError("Config name is missing.\nPlease pick one of: ['a', 'b']" + "\nx" * 999)

    monkeypatch.setattr(datasets, "load_dataset_builder", fail)
    message = refusal(tmp_path)
    assert "Config name is missing. Please pick one of: ['a', 'b'] x x" in message
    assert len(message) < 800


def test_a_run_s_data_is_read_but_not_its_data_dir(tmp_path):
    put_labeled(tmp_path, "train", [1, 2])
    config = {"name": f"hf:{tmp_path}/set", "image_size": 8, "data_dir": str(tmp_path / "evil")}
    with pytest.raises(InputError, match="--data_dir: is missing"):
        data.load_of_run(config)
    dataset = data.load_of_run(config, data_dir=str(tmp_path / "cache"))
    assert values(dataset.train) == [2]
    assert not (tmp_path / "evil").exists()


def test_columns_of_a_run_are_those_of_its_own_data(tmp_path):
    for name, column in (("own", "left"), ("other", "right")):
        features = Features({column: Image(), f"not_{column}": Image()})
        images = {column: pictures([1, 2]), f"not_{column}": pictures([8, 9])}
        if name == "other":
            del features[f"not_{column}"], images[f"not_{column}"]
        put(tmp_path / name, "train", features, **images)
    own, other = (f"hf:{tmp_path}/{name}/set" for name in ("own", "other"))
    config = config_data(tiny.data(channels=3), name=own, image_column="left")
    for name in (own, other):
        named = open_named(name, config, {}, data_dir=str(tmp_path / "cache"))
        assert values(named.source) == [2, 1]
