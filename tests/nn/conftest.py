"""Layers pass the same tests in the plain form and in the form for CPUs."""

import pytest

from ssl_jax.nn.platform import traced_as


@pytest.fixture(params=["plain", "cpu"])
def both_forms(request):
    with traced_as(request.param):
        yield request.param
