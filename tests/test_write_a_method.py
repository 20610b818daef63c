"""docs/write_a_method.md: the four files on the page are created, tested and run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/write_a_method.md").read_text()
INDEX = "ssl_jax/methods/__init__.py"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Returns a copy of the project with the method of the page added."""
    root = tmp_path_factory.mktemp("tree")
    for part in ("ssl_jax", "configs", "experiments", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "golden", "gpu", "workdirs")
        shutil.copytree(ROOT / part, root / part, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", root)
    files = dict(re.findall(r"\*\*`([\w/.]+)`\*\*\n\n```python\n(.*?)```", PAGE, flags=re.DOTALL))
    assert len(files) == 4
    line = files.pop(INDEX)
    for path, text in files.items():
        assert not (root / path).exists()
        (root / path).write_text(text)
    index = (root / INDEX).read_text()
    (root / INDEX).write_text(index.replace("MODULES = {\n", f"MODULES = {{\n{line}"))
    return root


def call(tree, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
    )


def test_its_own_tests_and_the_contract_pass(tree):
    tests = (
        "tests/methods/decorrelation",
        "tests/methods/test_contract.py",
        "tests/test_config.py",
    )
    done = call(tree, "-m", "pytest", "-n", "0", *tests, "-k", "vicreg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 12


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("covariance=nan", "method.covariance: nan; expected a number of at least 0"),
        ("expander=(0,)", "method.expander: (0,); expected whole numbers of at least 1"),
    ],
)
def test_an_invalid_value_of_its_settings_is_named(tree, tmp_path, setting, expected):
    workdir = tmp_path / "run"
    arguments = ("--config=configs/vicreg.py:smoke", f"--config.method.{setting}")
    done = call(tree, "experiments/pretrain.py", *arguments, f"--workdir={workdir}")
    assert (done.returncode, done.stderr) == (2, f"error: {expected}\n")
    assert not workdir.exists()


@pytest.mark.slow
def test_it_trains_and_reports(tree, tmp_path):
    workdir = tmp_path / "run"
    arguments = ("--config=configs/vicreg.py:smoke", f"--workdir={workdir}")
    done = call(tree, "experiments/pretrain.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert "healthy: rank" in done.stdout
    assert (workdir / "report.html").exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.py)`", PAGE))))
def test_files_named_on_the_page_exist(path):
    if "vicreg" not in path:
        assert any((ROOT / folder / path).exists() for folder in ("", "ssl_jax", "ssl_jax/methods"))
