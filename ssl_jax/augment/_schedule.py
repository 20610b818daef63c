"""Applies operations in a drawn order, fast under vmap on a CPU.

Under vmap each image has its own order, so ``lax.switch`` would compute every operation at every
step. Instead, all images share one sequence that contains every order, and each image keeps only
the results at the places of its own. The most expensive operation is computed once, the next one
twice, then four and eight times.
"""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Scalar

Operation = Callable[[Array, Scalar], Array]


def apply_in_order(
    x: Array,
    operations: Mapping[str, Operation],
    orders: Sequence[tuple[str, ...]],
    order: Int[Array, ""],
) -> Array:
    """Applies the operations in the order ``orders[order]``.

    Args:
      x: input of the first operation.
      operations: functions ``f(x, used) -> x``, cheapest first, that return ``x`` unless ``used``.
      orders: permutations of names; names without an operation are skipped.
      order: index into ``orders``; ``len(orders)`` applies nothing.

    Returns:
      The output of the last operation.
    """
    sequence = _every_order(list(operations))
    used = np.array([_used(sequence, names) for names in (*orders, ())])
    for place, name in enumerate(sequence):
        x = operations[name](x, jnp.array(used[:, place])[order])
    return x


def compute_once(x: Array) -> Array:
    """Keeps XLA from computing ``x`` three times where each output channel reads all its channels.

    The barrier also holds on a GPU; its effect there is not measured.
    """
    return jax.lax.optimization_barrier(x)


def _every_order(names: list[str]) -> list[str]:
    """Returns a sequence that contains every order of the names; the last name occurs once.

    Whatever an order has before the last name, and after it, is contained in ``around``.
    """
    if not names:
        return []
    *others, last = names
    around = _every_order(others)
    return [*around, last, *around]


def _used(sequence: list[str], order: tuple[str, ...]) -> list[bool]:
    """Marks the places of the sequence that make up the order, each as early as possible."""
    remaining = [name for name in order if name in sequence]
    used = []
    for name in sequence:
        used.append(remaining[:1] == [name])
        if used[-1]:
            del remaining[0]
    return used
