"""The convolution's gradients are convolutions that XLA computes fast on a CPU."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from ssl_jax.nn.conv import conv
from ssl_jax.nn.platform import traced_as
from tests.nn.test_conv import value_and_gradients


@pytest.mark.parametrize("window", [{}, {"stride": 2}, {"padding": "VALID"}])
def test_both_gradients_are_plain_convolutions(window):
    """Inside a loop, XLA has no fast code on a CPU for other orders of the axes."""
    inputs = jnp.ones((2, 8, 8, 4)), jnp.ones((3, 3, 4, 6))
    function = jax.jit(partial(value_and_gradients, partial(conv, **window)))

    def orders(form):
        with traced_as(form):
            text = function.lower(*inputs).as_text()
        return re.findall(r"dim_numbers = (.+?), window", text)

    plain_order = "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"
    assert orders("cpu") == 3 * [plain_order]
    assert len(orders("plain")) == 3
    assert orders("plain").count(plain_order) == 1


@pytest.mark.parametrize(("side", "k", "padding"), [(2, 3, 1), (1, 3, 1), (7, 4, 2)])
def test_xla_swaps_no_operands(side, k, padding):
    """If a kernel, or ``dy``, is larger than ``x``, XLA flips it and goes pixel by pixel."""

    def flipped(form):
        compiled = jax.jit(partial(value_and_gradients, partial(conv, padding=padding)))
        x, kernel = jnp.ones((2, side, side, 4)), jnp.ones((k, k, 4, 6))
        with traced_as(form):
            return "rhs_reversal" in compiled.lower(x, kernel).compile().as_text()

    assert flipped("plain")
    assert not flipped("cpu")
