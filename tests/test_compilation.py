"""The compilation cache: its switches, and its reuse by a second start."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from ssl_jax import compilation
from ssl_jax.train.metrics import read

ROOT = Path(__file__).parents[1]
NAMES = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
)
_MLCOLLECTIONS = "ignore:the load_module() method:DeprecationWarning"
MAIN = """
import jax
from ssl_jax import cli
if __name__ == "__main__":
    cli.run(lambda: print(jax.jit(lambda x: x + 1)(1.0)))
"""


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """Reads JAX's cache settings, which are set as at a start and restored after the test."""
    before = {name: getattr(jax.config, name) for name in NAMES}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_enable_compilation_cache", True)
    yield lambda: [getattr(jax.config, name) for name in NAMES]
    for name, value in before.items():
        jax.config.update(name, value)


def test_switching_on_creates_a_folder_for_the_user_only(settings, tmp_path):
    compilation.cache(True)
    where = tmp_path / "ssl_jax/compiled"
    assert settings() == [str(where), True, 0.0]
    assert where.stat().st_mode & 0o777 == 0o700


def test_a_start_deletes_the_least_recently_read_entries(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "_MAX_BYTES", 25)
    where = tmp_path / "ssl_jax/compiled"
    where.mkdir(parents=True)
    for age, name in enumerate(("new", "newer than old", "old")):
        (where / name).write_bytes(bytes(10))
        os.utime(where / name, (1e9 - age, 1e9 + age))
    compilation.cache(True)
    assert {path.name for path in where.iterdir()} == {"new", "newer than old"}


def test_xlas_folder_among_the_entries_does_not_switch_the_cache_off(
    settings, tmp_path, monkeypatch, capsys
):
    """XLA keeps the kernels that it has chosen for a GPU in a folder of its own."""
    monkeypatch.setattr(compilation, "_MAX_BYTES", 25)
    where = tmp_path / "ssl_jax/compiled"
    chosen = where / "xla_gpu_per_fusion_autotune_cache_dir"
    chosen.mkdir(parents=True)
    os.utime(chosen, (1, 1))
    for name in ("new", "old"):
        (where / name).write_bytes(bytes(20))
    compilation.cache(True)
    assert chosen.is_dir()
    assert len(list(where.iterdir())) == 2
    assert settings()[0] == str(where)
    assert capsys.readouterr().err == ""


def test_the_users_threshold_stays(settings, monkeypatch):
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "5")
    before = settings()[2]
    compilation.cache(True)
    assert settings()[2] == before


def test_the_users_folder_stays(settings, tmp_path):
    jax.config.update("jax_compilation_cache_dir", "/mine")
    before = settings()
    compilation.cache(True)
    assert settings() == before
    assert not list(tmp_path.iterdir())


def test_a_cache_that_the_user_switched_off_stays_off(settings, tmp_path):
    jax.config.update("jax_enable_compilation_cache", False)
    before = settings()
    compilation.cache(True)
    assert settings() == before
    assert not list(tmp_path.iterdir())


def test_switching_off_wins_over_a_folder(settings, tmp_path):
    jax.config.update("jax_compilation_cache_dir", "/mine")
    compilation.cache(False)
    assert settings()[1] is False
    assert not list(tmp_path.iterdir())


def start(cache: Path, *arguments: str) -> subprocess.CompletedProcess:
    settings = {"JAX_ENABLE_COMPILATION_CACHE": "true", "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", _MLCOLLECTIONS, *arguments],
        cwd=ROOT,
        env=os.environ | settings | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def kept(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*-cache")}


def test_a_command_caches_what_it_compiles_unless_a_flag_forbids_it(tmp_path):
    main = tmp_path / "mains" / "main.py"
    main.parent.mkdir()
    main.write_text(MAIN)
    for folder, flags, files in (("a", [], True), ("b", ["--nocompilation_cache"], False)):
        done = start(tmp_path / folder, str(main), *flags)
        assert (done.returncode, done.stdout, done.stderr) == (0, "2.0\n", "")
        assert bool(kept(tmp_path / folder)) is files
    assert not (tmp_path / "b" / "ssl_jax").exists()


def test_a_folder_that_cannot_be_written_is_reported_in_one_line(tmp_path):
    main = tmp_path / "mains" / "main.py"
    main.parent.mkdir()
    main.write_text(MAIN)
    (tmp_path / "file").touch()
    done = start(tmp_path / "file", str(main))
    assert (done.returncode, done.stdout) == (0, "2.0\n")
    assert done.stderr.startswith("no compilation cache: ")
    assert done.stderr.count("\n") == 1


def test_corrupt_entries_are_ignored_silently(tmp_path):
    main = tmp_path / "mains" / "main.py"
    main.parent.mkdir()
    main.write_text(MAIN)
    start(tmp_path / "cache", str(main))
    for path in (tmp_path / "cache").rglob("*-cache"):
        path.write_bytes(b"torn")
    done = start(tmp_path / "cache", str(main))
    assert (done.returncode, done.stdout, done.stderr) == (0, "2.0\n", "")


@pytest.mark.slow
def test_a_second_start_does_not_compile_the_step_again(tmp_path):
    files, rows = [], []
    for name in ("first", "second"):
        run = tmp_path / name
        done = start(
            tmp_path / "cache",
            "experiments/pretrain.py",
            "--config=configs/simclr.py:smoke",
            f"--workdir={run}",
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        files.append(kept(tmp_path / "cache"))
        rows.append([row["loss"] for row in read(run)])
    assert any(name.startswith("jit_step-") for name in files[0])
    assert files[0] == files[1]
    assert rows[0] == rows[1]
