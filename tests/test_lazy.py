"""``import ssl_jax`` loads its modules when they are first used."""

import subprocess
import sys

import pytest

import ssl_jax


def printed(program: str) -> str:
    """What a program prints in a new process."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_module_is_there_without_an_import_of_its_own():
    program = """
import sys, ssl_jax
before = "jax" in sys.modules
print(before, callable(ssl_jax.losses.nt_xent), callable(ssl_jax.augment.recipes.simclr))
print([name for name in ("flax", "orbax", "grain", "ssl_jax.train") if name in sys.modules])
"""
    assert printed(program).splitlines() == ["False True True", "[]"]


@pytest.mark.parametrize("name", dir(ssl_jax))
def test_every_name_that_is_listed_is_there(name):
    found = getattr(ssl_jax, name)
    assert callable(found) or found.__name__ == f"ssl_jax.{name}"


def test_fit_and_load_are_those_of_runs():
    from ssl_jax import runs

    assert ssl_jax.fit is runs.fit
    assert ssl_jax.load is runs.load


def test_the_loss_of_a_name_is_the_one_that_is_imported():
    from ssl_jax.losses import nt_xent

    assert ssl_jax.losses.nt_xent is nt_xent


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ssl_jax' has no attribute 'nothing'"):
        _ = ssl_jax.nothing
