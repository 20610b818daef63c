"""Layers are held to the same tests in the forms for a CPU and for everywhere else."""

import pytest

from ssl_jax.nn.platform import traced_as


@pytest.fixture(params=["plain", "cpu"])
def both_forms(request):
    with traced_as(request.param):
        yield request.param
