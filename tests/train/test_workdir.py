"""A workdir belongs to one config."""

import json

import pytest

from ssl_jax.errors import InputError
from ssl_jax.train.workdir import CONFIG, check_workdir, finished, make_workdir, read_config
from tests import tiny

FACTS = {"image_size": 8, "channels": 1, "mean": (0.5,), "std": (0.25,)}


def config(**changes):
    from ssl_jax.config import resolve

    base = tiny.config(name="simclr")
    base.optimizer.update(changes)
    return resolve(base, FACTS, 100, 1)


def test_a_new_workdir_holds_the_config_and_opens_again(tmp_path):
    workdir = tmp_path / "a" / "b"
    check_workdir(workdir, config())
    assert not workdir.exists()
    make_workdir(workdir, config(), {})
    assert read_config(workdir).to_dict() == config().to_dict()
    check_workdir(workdir, config())
    assert [path.name for path in workdir.iterdir()] == [CONFIG]
    assert not finished(workdir)


def test_another_config_is_refused_by_the_keys_that_differ(tmp_path):
    make_workdir(tmp_path / "run", config(), {})
    before = (tmp_path / "run" / CONFIG).read_bytes()
    with pytest.raises(InputError) as error:
        check_workdir(tmp_path / "run", config(learning_rate=0.5, momentum=0.5))
    message = str(error.value)
    assert "optimizer.learning_rate (0.001 there, 0.5 here)" in message
    assert "optimizer.momentum (0.9 there, 0.5 here)" in message
    assert "weight_decay" not in message
    assert (tmp_path / "run" / CONFIG).read_bytes() == before


def test_a_folder_of_other_things_a_file_and_a_damaged_config_are_refused(tmp_path):
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
