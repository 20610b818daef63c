"""A workdir belongs to one config."""

import errno
import json

import numpy as np
import pytest
from ml_collections import ConfigDict

from ssl_jax import methods, output
from ssl_jax.data.contents import Contents
from ssl_jax.errors import InputError
from ssl_jax.report.templates import save
from ssl_jax.runs import workdir
from ssl_jax.runs.workdir import CONFIG, check_workdir, finished, make_workdir, read_config
from tests import tiny

FACTS = {"image_size": 8, "channels": 1, "mean": (0.5,), "std": (0.25,)}


def config(**changes):
    from ssl_jax.config import resolve

    base = tiny.config(name="simclr")
    base.optimizer.update(changes)
    return resolve(base, FACTS, 100, 1)


def test_a_new_workdir_holds_the_config_and_can_be_used_again(tmp_path):
    run = tmp_path / "a" / "b"
    check_workdir(run, config())
    assert not run.exists()
    make_workdir(run, config(), {})
    assert read_config(run).to_dict() == config().to_dict()
    check_workdir(run, config())
    assert [path.name for path in run.iterdir()] == [CONFIG]
    assert not finished(run)


def test_another_config_is_refused_by_the_names_of_the_keys_that_differ(tmp_path):
    make_workdir(tmp_path / "run", config(), {})
    before = (tmp_path / "run" / CONFIG).read_bytes()
    with pytest.raises(InputError) as error:
        check_workdir(tmp_path / "run", config(learning_rate=0.5, momentum=0.5))
    message = str(error.value)
    assert "optimizer.learning_rate (0.001 there, 0.5 here)" in message
    assert "optimizer.momentum (0.9 there, 0.5 here)" in message
    assert "weight_decay" not in message
    assert (tmp_path / "run" / CONFIG).read_bytes() == before


def test_a_folder_with_other_files_a_file_and_a_damaged_config_are_refused(tmp_path):
    (tmp_path / "photo.jpg").write_text("x")
    with pytest.raises(InputError, match=r"holds files but no config\.json"):
        check_workdir(tmp_path, config())
    with pytest.raises(InputError, match="is a file"):
        check_workdir(tmp_path / "photo.jpg", config())
    with pytest.raises(InputError, match="cannot be written"):
        make_workdir(tmp_path / "photo.jpg" / "run", config(), {})
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match=r"has no config\.json"):
        read_config(tmp_path / "run")
    for text in ('{"seed": ', json.dumps([1])):
        (tmp_path / "run" / CONFIG).write_text(text)
        with pytest.raises(InputError, match="is damaged"):
            read_config(tmp_path / "run")


def test_a_run_that_could_not_write_its_config_can_be_started_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(output.os, "replace", full)
        with pytest.raises(InputError, match=r"config\.json: cannot be written: No space left"):
            make_workdir(tmp_path / "run", config(), {"words.json": "[]"})
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["assets"]
    check_workdir(tmp_path / "run", config())
    make_workdir(tmp_path / "run", config(), {"words.json": "[]"})
    assert workdir.read_assets(tmp_path / "run") == {"words.json": "[]"}


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_target_of_a_link_is_not_overwritten(tmp_path):
    (tmp_path / "kept").write_text("mine")
    for name, write in (
        ("a.json", lambda path: workdir.write_json(path, {"b": 1})),
        ("a.html", lambda path: save(path, "<p>")),
    ):
        for ending in (".part", ".partial", ""):
            (tmp_path / (name + ending)).symlink_to(tmp_path / "kept")
        write(tmp_path / name)
        assert not (tmp_path / name).is_symlink()
    assert (tmp_path / "kept").read_text() == "mine"


@pytest.mark.parametrize(
    ("key", "value"),
    [("data.modality", "smell"), ("train.steps", -1), ("optimizer.learning_rate", "fast")],
)
def test_invalid_settings_are_refused_when_a_config_is_read(tmp_path, key, value):
    make_workdir(tmp_path / "run", config(), {})
    block, _, name = key.partition(".")
    values = json.loads((tmp_path / "run" / CONFIG).read_text())
    values[block][name] = value
    (tmp_path / "run" / CONFIG).write_text(json.dumps(values))
    with pytest.raises(InputError, match=name):
        read_config(tmp_path / "run")


def test_an_unknown_method_and_damaged_assets_are_refused(tmp_path):
    unknown = config().copy_and_resolve_references().unlock()
    unknown.method.name = "alchemy"
    with pytest.raises(InputError, match=r"^method\.name: 'alchemy'; expected one of simclr"):
        methods.make(unknown)
    (tmp_path / "assets" / "folder").mkdir(parents=True)
    with pytest.raises(InputError, match="folder: is damaged"):
        workdir.read_assets(tmp_path)


def placed(name="folder:/one", **changes):
    changed = ConfigDict(config(**changes).to_dict())
    changed.data.name = name
    return changed.lock()


def files(**digests):
    return Contents(tuple(digests), np.array(list(digests.values()), np.uint64), "images")


def test_data_that_changed_are_refused_in_words(tmp_path):
    run = tmp_path / "run"
    make_workdir(run, placed(), {}, files(a=1, b=2))
    check_workdir(run, placed(), files(b=2, a=1))
    with pytest.raises(InputError) as error:
        check_workdir(run, placed(), files(a=1, c=2, d=3))
    assert "data.name: 'folder:/one' changed since" in str(error.value)
    assert "1 images added (such as d), 1 images moved or renamed (such as c)" in str(error.value)


def test_a_run_goes_on_where_only_the_place_of_its_data_changed(tmp_path):
    run = tmp_path / "run"
    make_workdir(run, placed(), {}, files(a=1))
    moved = placed("folder:/two")
    check_workdir(run, moved, files(a=1))
    make_workdir(run, moved, {}, files(a=1))
    assert read_config(run).data.name == "folder:/two"
    with pytest.raises(InputError, match=r"data\.name \('folder:/two' there, 'folder:/one' here\)"):
        check_workdir(run, placed())
    with pytest.raises(InputError, match=r"optimizer\.learning_rate"):
        check_workdir(run, placed("folder:/three", learning_rate=0.5), files(a=1))


def test_runs_that_recorded_no_contents_go_on(tmp_path):
    run = tmp_path / "run"
    make_workdir(run, placed(), {})
    check_workdir(run, placed(), files(a=1))
    with pytest.raises(InputError, match=r"data\.name"):
        check_workdir(run, placed("folder:/two"), files(a=1))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"junk"])
def test_damaged_contents_are_refused(tmp_path, content):
    run = tmp_path / "run"
    make_workdir(run, placed(), {}, files(a=1))
    (run / workdir.CONTENTS).write_bytes(content)
    with pytest.raises(InputError, match=r"contents\.npz: is damaged"):
        check_workdir(run, placed(), files(a=1))
