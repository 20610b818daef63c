"""Training and evaluation stand side by side: neither imports the other."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("imported", "unloaded"),
    [
        ("ssl_jax.train, ssl_jax.train.loop, ssl_jax.train.optim", "evaluation report"),
        ("ssl_jax.evaluation, ssl_jax.evaluation.evaluate", "train report"),
    ],
)
def test_one_is_loaded_without_the_other(imported, unloaded):
    program = (
        f"import sys, {imported}; "
        f"print([part for part in {unloaded.split()} if f'ssl_jax.{{part}}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done
