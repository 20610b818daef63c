"""The examples in docstrings run and print what they show."""

import doctest

import pytest

from ssl_jax.data import arrays


@pytest.mark.parametrize("module", [arrays], ids=lambda module: module.__name__)
def test_docstring_examples_hold(module):
    failed, attempted = doctest.testmod(module)
    assert attempted
    assert not failed
