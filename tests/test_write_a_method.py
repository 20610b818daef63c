"""The page that builds a method from nothing: its blocks are one file, and it runs."""

import re
from pathlib import Path

import pytest

from ssl_jax import data
from tests import tiny

PAGE = (Path(__file__).parents[1] / "docs/write_a_method.md").read_text()


def test_the_page_s_blocks_are_a_file_that_trains_and_reports(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    code = "\n".join(blocks)
    for whole, short in (("train.steps = 500", "train.steps = 3"), ("(256, 256)", "(16, 8)")):
        assert whole in code
        code = code.replace(whole, short)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda _: tiny.data(train=256))
    exec(code, {})
    said = capsys.readouterr().out
    assert "healthy: rank" in said
    assert "(3, 1536)" in said
    assert (tmp_path / "runs/vicreg/report.html").exists()


@pytest.mark.parametrize("path", re.findall(r"`([\w/]+\.py)`", PAGE))
def test_files_that_the_page_names_are_there(path):
    root = Path(__file__).parents[1]
    assert (root / path).exists() or (root / "ssl_jax/methods" / path).exists()
