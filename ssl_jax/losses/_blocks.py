"""Comparing all queries with all keys, at once or a block of keys at a time.

In blocks no matrix of all similarities is ever held, forward or backward: what a block computes is
computed again on the way back.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ssl_jax.losses._shared import Number


def log_sum_exp(
    q: Float[Array, "n d"],
    keys: Float[Array, "m d"],
    left_out: Int[Array, "n l"],
    scale: Number,
    block_size: int | None,
) -> Float[Array, " n"]:
    """``log(sum of exp(scale * q . key))`` over all keys but those whose columns are left out."""
    size = _rows_in_a_block(len(keys), block_size)
    if size == len(keys):
        return masked_log_sum_exp(
            scale * dot_products(q, keys), _wanted(jnp.arange(size), left_out)
        )
    # Under shard_map the scale becomes as varying as q, so that its gradient is summed.
    scale = jnp.asarray(scale, q.dtype) + 0 * jax.lax.stop_gradient(q[0, 0])
    return _blocked_log_sum_exp(size, q, keys, left_out, scale)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _blocked_log_sum_exp(
    block_size: int, q: Array, keys: Array, left_out: Array, scale: Array
) -> Array:
    """The same, in memory that is linear in the number of keys, and of queries, both ways."""

    def add(total: Array, block: Any) -> tuple[Array, None]:
        block_keys, columns, real = block
        wanted = _wanted(columns, left_out) & real
        scores = scale * dot_products(q, block_keys)
        return jnp.logaddexp(total, masked_log_sum_exp(scores, wanted)), None

    return jax.lax.scan(add, q[:, 0] * 0 - jnp.inf, _blocks((keys,), block_size))[0]


def _blocked_forward(block_size: int, *inputs: Array) -> tuple[Array, Any]:
    total = _blocked_log_sum_exp(block_size, *inputs)
    return total, (*inputs, total)


def _blocked_backward(block_size: int, saved: Any, gradient: Array) -> tuple[Any, ...]:
    """The softmax weights, block by block again, times what each score depends on."""
    q, keys, left_out, scale, total = saved

    def add(carry: Any, block: Any) -> tuple[Any, Array]:
        dq, dscale = carry
        block_keys, columns, real = block
        products = dot_products(q, block_keys)
        wanted = _wanted(columns, left_out) & real
        weights = jnp.where(wanted, jnp.exp(scale * products - total[:, None]), 0)
        weights = weights * gradient[:, None]
        dq += dot_products(weights, block_keys.T)
        return (dq, dscale + jnp.sum(weights * products)), dot_products(weights.T, q.T)

    start = (q * 0, scale * 0)
    (dq, dscale), dkeys = jax.lax.scan(add, start, _blocks((keys,), block_size))
    dkeys = dkeys.reshape(-1, keys.shape[1])[: len(keys)]
    return scale * dq, scale * dkeys, None, dscale


_blocked_log_sum_exp.defvjp(_blocked_forward, _blocked_backward)


def _wanted(columns: Int[Array, " b"], left_out: Int[Array, "n l"]) -> Bool[Array, "n b"]:
    return (columns != left_out[:, :, None]).all(axis=1)


def over_blocks(
    add: Callable[[Any, Any], Any], start: Any, arrays: tuple[Array, ...], block_size: int | None
) -> Any:
    """Fold ``add(carry, (*blocks, columns, real))`` over blocks of rows of the arrays.

    What a block computes is computed again on the way back; of each block its carry is kept.
    """
    m = len(arrays[0])
    size = _rows_in_a_block(m, block_size)
    if size == m:
        return add(start, (*arrays, jnp.arange(m), jnp.ones(m, bool)))
    step = jax.checkpoint(lambda carry, block: (add(carry, block), None))
    return jax.lax.scan(step, start, _blocks(arrays, size))[0]


def _rows_in_a_block(m: int, block_size: int | None) -> int:
    if block_size is not None and block_size < 1:
        raise ValueError(f"block_size must be at least 1, not {block_size}")
    return m if block_size is None else min(block_size, m)


def _blocks(arrays: tuple[Array, ...], block_size: int) -> tuple[Array, ...]:
    """The arrays as ``[blocks, block_size, ...]``, the rows' numbers, and False for padding."""
    m = len(arrays[0])
    count = -(-m // block_size)

    def cut(x: Array) -> Array:
        padding = [(0, count * block_size - m)] + [(0, 0)] * (x.ndim - 1)
        return jnp.pad(x, padding).reshape(count, block_size, *x.shape[1:])

    columns = jnp.arange(count * block_size).reshape(count, block_size)
    return (*map(cut, arrays), columns, columns < m)


def masked_log_sum_exp(
    scores: Float[Array, "n b"], wanted: Bool[Array, "n b"]
) -> Float[Array, " n"]:
    return jax.nn.logsumexp(jnp.where(wanted, scores, -jnp.inf), axis=-1)


def dot_products(q: Float[Array, "n d"], keys: Float[Array, "m d"]) -> Float[Array, "n m"]:
    return jnp.matmul(q, keys.T, precision=jax.lax.Precision.HIGHEST)
