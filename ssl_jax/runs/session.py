"""JAX's settings while the library computes, whatever the caller's session has set."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def own_settings() -> Iterator[None]:
    """Computes as in any other session: in 32 bits, with JAX's usual promotion of ranks and types.

    A run then loads, and gives the same features, where ``jax_enable_x64`` is on, and where
    ``jax_numpy_rank_promotion`` or ``jax_numpy_dtype_promotion`` is strict, which Flax and Optax do
    not support.
    """
    with (
        jax.enable_x64(False),
        jax.numpy_rank_promotion("allow"),
        jax.numpy_dtype_promotion("standard"),
    ):
        yield
