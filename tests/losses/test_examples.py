"""Runs the examples in the docstrings of the losses."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

from ssl_jax import losses

MODULES = [module.name for module in pkgutil.iter_modules(losses.__path__, "ssl_jax.losses.")]
WITH_EXAMPLES = [
    "info_nce",
    "nt_xent",
    "supcon",
    "clip",
    "cosine_regression",
    "dino",
    "vicreg",
    "masked_mse",
    "causal_lm",
]


def examples(function):
    """Returns the examples in a docstring, found without the type checks of the tests."""
    return doctest.DocTestFinder().find(inspect.unwrap(function), function.__name__, globs={})


def functions(module):
    found = vars(importlib.import_module(module)).values()
    return [f for f in found if inspect.isfunction(f) and f.__module__ == module]


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_show(module):
    for function in functions(module):
        for example in examples(function):
            report = []
            doctest.DocTestRunner().run(example, out=report.append)
            assert not report, "".join(report)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_important_losses_have_an_example(name):
    function = getattr(losses, name)
    assert function in functions(function.__module__)
    assert any(example.examples for example in examples(function))
