"""Tests that need an accelerator: ``pytest -m gpu -n 0``. Without one they are skipped."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="session")
def accelerator():
    """The default device."""
    if jax.default_backend() == "cpu":
        pytest.skip("there is no accelerator")
    return jax.devices()[0]
