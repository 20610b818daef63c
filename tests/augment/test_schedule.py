"""Operations in a drawn order: each order, applied to an integer whose digits record it."""

import itertools

import jax
import jax.numpy as jnp
import pytest

from ssl_jax.augment import _schedule

NAMES = "abcd"
ORDERS = list(itertools.permutations(NAMES))


def append(digit):
    return lambda x, used: jnp.where(used, 10 * x + digit, x)


@pytest.mark.parametrize("names", ["", "d", "bd", "dca", "abcd", "cbda"])
def test_every_image_gets_its_own_order(names):
    operations = {name: append(NAMES.index(name) + 1) for name in names}
    numbers = jnp.arange(len(ORDERS) + 1)
    applied = jax.vmap(
        lambda number: _schedule.apply_in_order(jnp.array(0), operations, ORDERS, number)
    )(numbers)
    digits = ["".join(str(NAMES.index(n) + 1) for n in order if n in names) for order in ORDERS]
    assert applied.tolist() == [int(d or "0") for d in digits] + [0]


def test_the_last_operation_is_computed_once_and_the_others_rarely():
    computed = []

    def count(name):
        return lambda x, used: computed.append(name) or x

    operations = {name: count(name) for name in NAMES}
    _schedule.apply_in_order(jnp.array(0), operations, ORDERS, jnp.array(0))
    assert [computed.count(name) for name in NAMES] == [8, 4, 2, 1]
