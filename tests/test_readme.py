"""The README's code runs, and its table of losses is complete."""

import inspect
import re
from pathlib import Path

import chex
import jax
import numpy as np

from ssl_jax import data, losses
from tests import tiny

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_your_own_method_takes_at_most_forty_lines_and_runs(tmp_path, monkeypatch, capsys):
    (code,) = (block for block in BLOCKS if " fit(method" in block)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 40
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda _: tiny.data(train=256))
    exec(code.replace("train.steps = 500", "train.steps = 30"), {})
    assert "(3, 128)" in capsys.readouterr().out
    assert (tmp_path / "runs/denoising/report.html").exists()


def test_losses_and_views_in_your_own_code():
    (code,) = (block for block in BLOCKS if "augment.recipes" in block)
    scope = {"encode": lambda params, x: x.reshape(len(x), -1) @ params}
    exec(code, scope)
    images = jax.random.uniform(jax.random.key(0), (8, 32, 32, 3))
    value = scope["loss"](
        jax.random.normal(jax.random.key(1), (3072, 16)), images=images, key=jax.random.key(2)
    )
    assert 0 < float(value) < 2 * np.log(15) / 0.2


def test_losses_on_many_devices_match_one_device():
    (code,) = (block for block in BLOCKS if "shard_map" in block)
    scope = {}
    exec(code, scope)
    z1, z2 = jax.random.normal(jax.random.key(0), (2, 16, 4))

    def alone(z1, z2):
        return losses.nt_xent(z1, z2).mean()

    expected = jax.value_and_grad(alone, argnums=(0, 1))(z1, z2)
    for name in ("sharded", "mapped"):
        actual = jax.value_and_grad(scope[name], argnums=(0, 1))(z1, z2)
        chex.assert_trees_all_close(actual, expected, rtol=1e-5, atol=1e-7)


def test_the_table_of_losses_is_complete():
    table = README[README.index("| family |") :].split("\n\n")[0]
    public = {name for name, f in vars(losses).items() if inspect.isfunction(f)}
    assert set(re.findall(r"`(\w+)`", table)) == public
