"""The tiny configuration that a method's test file declares for the contract test."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from ssl_jax.data import Dataset
from ssl_jax.methods import MODULES
from tests import tiny


class Case(NamedTuple):
    """A tiny configuration of a method.

    Attributes:
      settings: ``config.method`` without its name.
      network: changes to ``config.network``.
      data: builds the dataset.
      draws_views: whether the views depend on the key.
    """

    settings: Mapping[str, Any]
    network: Mapping[str, Any] = {}
    data: Callable[[], Dataset] = tiny.data
    draws_views: bool = True


VIT = {"name": "vit_nano", "patch_size": 2, "pool": "mean"}
MLP = {"name": "mlp", "widths": (8, 6, 4)}


def case_of(method: str) -> Case:
    """Returns the ``CASE`` of the method's test file."""
    return import_module(f"tests.methods.{MODULES[method].replace('.', '.test_')}").CASE


def config_of(method: str, dataset: Dataset, devices: int = 8) -> ConfigDict:
    """Builds the resolved config of the method's case."""
    case = case_of(method)
    config = tiny.config(name=method, **case.settings)
    config.network.update(case.network)
    return tiny.resolved(config, dataset, devices)
