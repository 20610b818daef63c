"""The examples in augment's docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

from ssl_jax import augment

NAMES = [m.name for m in pkgutil.walk_packages(augment.__path__, f"{augment.__name__}.")]
MODULES = [augment, *map(importlib.import_module, NAMES)]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_run(module):
    assert doctest.testmod(module).failed == 0


def test_the_main_functions_have_examples():
    found = [test for module in MODULES for test in doctest.DocTestFinder().find(module)]
    found = {test.name.removeprefix("ssl_jax.augment.") for test in found if test.examples}
    assert found >= {
        "compose.compose",
        "geometry.random_resized_crop",
        "color.color_jitter",
        "recipes.simclr",
    }
