"""A leading "~" is the home folder in every path."""

import re
from pathlib import Path

import pytest

from ssl_jax import data, load
from ssl_jax.data import options
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

ROOT = Path(__file__).parents[1]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_paths_are_expanded(home):
    assert expanded("~/runs") == home / "runs"
    assert expanded(Path("~")) == home
    assert expanded("a/~b") == Path("a/~b")
    with pytest.raises(InputError, match="~nobody-of-that-name/x: there is no such user"):
        expanded("~nobody-of-that-name/x")


def test_the_paths_of_data_and_runs_are_expanded(home):
    (home / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        data.load({"name": "folder:~/empty"})
    with pytest.raises(InputError, match=re.escape(f"{home}/empty: has no config.json")):
        load("~/empty")
    assert options.read({"name": "cifar10", "data_dir": "~/d"}).data_dir == str(home / "d")


def test_every_path_flag_is_expanded():
    """A flag that names a path is never given to Path alone."""
    for file in (ROOT / "experiments").glob("*.py"):
        found = re.findall(r"\bPath\((?:cli\.required|flags\.FLAGS)", file.read_text())
        assert not found, file.name
