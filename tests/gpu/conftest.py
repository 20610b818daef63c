"""What only an accelerator shows: ``pytest -m gpu -n 0``, skipped where there is none."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="session")
def accelerator():
    """The default device."""
    if jax.default_backend() == "cpu":
        pytest.skip("there is no accelerator")
    return jax.devices()[0]
