"""What the README shows runs."""

import re
from pathlib import Path

import jax
import numpy as np

from ssl_jax import data
from tests import tiny

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_a_method_of_ones_own_in_forty_lines(tmp_path, monkeypatch, capsys):
    (code,) = (block for block in BLOCKS if "train.fit" in block)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 40
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda _: tiny.data(train=256))
    exec(code.replace("train.steps = 500", "train.steps = 30"), {})
    assert "(3, 128)" in capsys.readouterr().out
    assert (tmp_path / "runs/denoising/report.html").exists()


def test_losses_and_views_in_ones_own_code():
    (code,) = (block for block in BLOCKS if "losses.nt_xent" in block)
    scope = {"encode": lambda params, x: x.reshape(len(x), -1) @ params}
    exec(code, scope)
    images = jax.random.uniform(jax.random.key(0), (8, 32, 32, 3))
    value = scope["loss"](
        jax.random.normal(jax.random.key(1), (3072, 16)), images=images, key=jax.random.key(2)
    )
    assert 0 < float(value) < 2 * np.log(15) / 0.2
