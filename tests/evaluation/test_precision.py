"""Products that a score depends on are exact in float32, also on accelerators.

Their default rounds the inputs of a product.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from ssl_jax.evaluation import linear, nearest
from ssl_jax.evaluation.modalities.base import flat_pixels
from ssl_jax.methods.common import vitals


def products(jaxpr):
    """Yields the products of a traced function and of the functions inside it."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                if isinstance(inner, core.ClosedJaxpr):
                    yield from products(inner.jaxpr)
                elif isinstance(inner, core.Jaxpr):
                    yield from products(inner)


X, Y = np.ones((6, 4), np.float32), np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    "f",
    [
        lambda: nearest._nearest(X, X, 2),
        lambda: linear._solve(X, Y, np.arange(6) < 2, 0.1, jnp.zeros((3, 4)), 1e-4),
        lambda: flat_pixels(np.ones((2, 40, 40, 3), np.uint8)),
        lambda: vitals.of_embeddings(X),
    ],
    ids=["kNN", "linear probe", "raw pixels", "rank"],
)
def test_every_product_has_the_highest_precision(f):
    found = list(products(jax.make_jaxpr(f)().jaxpr))
    assert found
    for product in found:
        highest = jax.lax.Precision.HIGHEST
        assert product.params["precision"] == (highest, highest), product
