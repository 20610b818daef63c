"""Comparing all rows with all columns of other examples, at once or in tiles.

In tiles no matrix of all scores is ever held: an online log-sum-exp joins the tiles, and on the way
back each tile is computed again. A score is the dot product of a row and a column; what scales it
is in the vectors, and so has its gradient from them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ssl_jax.losses._shared import gather
from ssl_jax.losses._tiles import Sweep, Wanted, fold


class Side(NamedTuple):
    """Vectors, and the number of the example that each belongs to: -1 is padding."""

    z: Float[Array, "n d"]
    example: Int[Array, " n"]


def examples(n: int, axis_name: str | None) -> Int[Array, " n"]:
    """The numbers of this device's rows in the batch of all devices."""
    return jnp.arange(n) + (0 if axis_name is None else jax.lax.axis_index(axis_name) * n)


def log_sum_exp(
    rows: Side, columns: Side, axis_name: str | None, block_size: int | None
) -> Float[Array, " n"]:
    """Each row's ``log(sum of exp(row . column))`` over all columns of other examples."""
    sweep = _sweep("rows", axis_name, block_size, rows, columns)
    if sweep is None:
        return _row_log_sum_exp(rows, _gathered(columns, axis_name))[0]
    return _swept_log_sum_exp(sweep, *_alike(rows, columns))[0]


def log_sum_exp_both_ways(
    rows: Side, columns: Side, axis_name: str | None, block_size: int | None
) -> tuple[Float[Array, " n"], Float[Array, " m"]]:
    """The same, and each column's over all rows of other examples."""
    sweep = _sweep("rows and columns", axis_name, block_size, rows, columns)
    if sweep is not None:
        of_rows, of_columns = _swept_log_sum_exp(sweep, *_alike(rows, columns))
        return of_rows, of_columns
    of_rows, of_columns = _both_log_sum_exps(rows, _gathered(columns, axis_name))
    if axis_name is not None:  # so far over this device's rows only, of all devices' columns
        parts = of_columns.reshape(-1, len(columns.z))
        of_columns = jax.nn.logsumexp(jax.lax.all_to_all(parts, axis_name, 0, 0), axis=0)
    return of_rows, of_columns


def log_sum_exp_of_others(
    rows: Side, axis_name: str | None, block_size: int | None
) -> Float[Array, " n"]:
    """Each row's ``log(sum of exp(row . row'))`` over all rows of other examples."""
    sweep = _sweep("symmetric", axis_name, block_size, rows)
    if sweep is None:
        return _row_log_sum_exp(rows, _gathered(rows, axis_name))[0]
    return _swept_log_sum_exp(sweep, rows)[0]


def softplus_sum(
    rows: Side, columns: Side, axis_name: str | None, block_size: int | None
) -> Float[Array, " n"]:
    """Each row's sum of ``softplus(row . column)``, of its own example with the sign turned."""
    sweep = _sweep("rows", axis_name, block_size, rows, columns)
    if sweep is None:
        return _row_softplus_sum(rows, _gathered(columns, axis_name))[0]
    return _swept_softplus_sum(sweep, *_alike(rows, columns))


def dot_products(a: Float[Array, "n d"], b: Float[Array, "m d"]) -> Float[Array, "n m"]:
    return jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)


def _row_log_sum_exp(rows: Side, columns: Side) -> tuple[Array, None]:
    return jax.nn.logsumexp(_scores_of_others(rows, columns), axis=1), None


def _both_log_sum_exps(rows: Side, columns: Side) -> tuple[Array, Array]:
    scores = _scores_of_others(rows, columns)
    return jax.nn.logsumexp(scores, axis=1), jax.nn.logsumexp(scores, axis=0)


def _scores_of_others(rows: Side, columns: Side) -> Array:
    return jnp.where(_others(rows, columns), dot_products(rows.z, columns.z), -jnp.inf)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _swept_log_sum_exp(sweep: Sweep, *sides: Side) -> tuple[Array, ...]:
    nothing = tuple(side.z[:, 0] * 0 - jnp.inf for side in sides)
    if sweep.wanted == "rows":
        return fold(sweep, _row_log_sum_exp, jnp.logaddexp, sides, (nothing[0], None))[:1]
    return fold(sweep, _both_log_sum_exps, jnp.logaddexp, sides, nothing)


def _log_sum_exp_forward(sweep: Sweep, *sides: Side) -> tuple[Any, Any]:
    totals = _swept_log_sum_exp(sweep, *sides)
    return totals, (sides, totals)


def _log_sum_exp_backward(sweep: Sweep, saved: Any, gradients: Any) -> tuple[Side, ...]:
    """Softmax weights, of the row's softmax and of the column's where both are wanted."""
    sides, totals = saved
    given = [*zip(totals, gradients, strict=True)] + [None] * (len(sides) - len(totals))

    def weights(rows: Side, columns: Side, scores: Array, of_rows: Any, of_columns: Any) -> Array:
        total, gradient = of_rows
        softmax = jnp.exp(scores - total[:, None]) * gradient[:, None]
        if of_columns is not None:
            total, gradient = of_columns
            softmax += jnp.exp(scores - total) * gradient
        return jnp.where(_others(rows, columns), softmax, 0)

    return _gradients(sweep, weights, sides, given)


_swept_log_sum_exp.defvjp(_log_sum_exp_forward, _log_sum_exp_backward)


def _row_softplus_sum(rows: Side, columns: Side) -> tuple[Array, None]:
    scores = dot_products(rows.z, columns.z)
    scores = jnp.where(_same(rows, columns), -scores, scores)
    return jnp.where(_real(rows, columns), jax.nn.softplus(scores), 0).sum(axis=1), None


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _swept_softplus_sum(sweep: Sweep, rows: Side, columns: Side) -> Array:
    nothing = (rows.z[:, 0] * 0, None)
    return fold(sweep, _row_softplus_sum, jnp.add, (rows, columns), nothing)[0]


def _softplus_forward(sweep: Sweep, *sides: Side) -> tuple[Array, Any]:
    return _swept_softplus_sum(sweep, *sides), sides


def _softplus_backward(sweep: Sweep, sides: Any, gradient: Array) -> tuple[Side, ...]:
    def weights(rows: Side, columns: Side, scores: Array, gradient: Any, _: Any) -> Array:
        slope = jnp.where(_same(rows, columns), -jax.nn.sigmoid(-scores), jax.nn.sigmoid(scores))
        return jnp.where(_real(rows, columns), slope * gradient[:, None], 0)

    return _gradients(sweep, weights, sides, (gradient, None))


_swept_softplus_sum.defvjp(_softplus_forward, _softplus_backward)


def _gradients(
    sweep: Sweep, weights: Callable[..., Array], sides: Any, given: Any
) -> tuple[Side, ...]:
    """The sides' gradients, where a tile's scores have the gradients ``weights``."""

    def tile(rows: Any, columns: Any) -> tuple[Array, Array]:
        (rows, of_rows), (columns, of_columns) = rows, columns
        scores = dot_products(rows.z, columns.z)
        w = weights(rows, columns, scores, of_rows, of_columns)
        return dot_products(w, columns.z.T), dot_products(w.T, rows.z.T)

    known, nothing = tuple(zip(sides, given, strict=True)), tuple(side.z * 0 for side in sides)
    found = fold(sweep, tile, jnp.add, known, nothing)
    return tuple(s._replace(z=dz, example=None) for s, dz in zip(sides, found, strict=True))


def _same(rows: Side, columns: Side) -> Bool[Array, "n m"]:
    return rows.example[:, None] == columns.example


def _real(rows: Side, columns: Side) -> Bool[Array, "n m"]:
    return (rows.example[:, None] >= 0) & (columns.example >= 0)


def _others(rows: Side, columns: Side) -> Bool[Array, "n m"]:
    return ~_same(rows, columns) & _real(rows, columns)


def _sweep(
    wanted: Wanted, axis_name: str | None, block_size: int | None, *sides: Side
) -> Sweep | None:
    """None where all is compared at once."""
    if block_size is None:
        return None
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1, not {block_size}")
    one_tile = axis_name is None and all(len(side.z) <= block_size for side in sides)
    return None if one_tile else Sweep(wanted, block_size, axis_name)


def _gathered(side: Side, axis_name: str | None) -> Side:
    return Side(gather(side.z, axis_name), gather(side.example, axis_name))


def _alike(rows: Side, columns: Side) -> tuple[Side, Side]:
    """Under ``shard_map`` each as varying as the other, which sums gradients over devices."""
    zero = 0 * jax.lax.stop_gradient(rows.z[0, 0] + columns.z[0, 0])
    return rows._replace(z=rows.z + zero), columns._replace(z=columns.z + zero)
