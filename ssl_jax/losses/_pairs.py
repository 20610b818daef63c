"""Scores between all rows and all columns of other examples, at once or in tiles.

A score is the dot product of a row and a column; any scale is part of the vectors, so its gradient
comes from theirs. In tiles the matrix of all scores is never held: an online log-sum-exp joins the
tiles, and the backward pass computes each tile again. There is no second derivative in tiles.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ssl_jax.losses._shared import gather
from ssl_jax.losses._tiles import Tiling, fold_rows, fold_rows_and_columns, fold_symmetric


class Side(NamedTuple):
    """Vectors, and the index of the example that each belongs to; -1 is padding."""

    z: Float[Array, "n d"]
    example: Int[Array, " n"]


def example_indices(n: int, axis_name: str | None) -> Int[Array, " n"]:
    """Returns the indices of this device's rows in the batch of all devices."""
    return jnp.arange(n) + (0 if axis_name is None else jax.lax.axis_index(axis_name) * n)


def log_sum_exp(
    rows: Side, columns: Side, axis_name: str | None, block_size: int | None
) -> Float[Array, " n"]:
    """Returns ``log(sum of exp(row . column))`` of each row, over all columns of other examples."""
    tiling = _tiling(axis_name, block_size, rows, columns)
    if tiling is None:
        return _log_sum_exp_of_rows(rows, _gathered(columns, axis_name))
    return _tiled_log_sum_exp(tiling, *_equally_varying(rows, columns))


def log_sum_exp_both_ways(
    rows: Side, columns: Side, axis_name: str | None, block_size: int | None
) -> tuple[Float[Array, " n"], Float[Array, " m"]]:
    """Returns ``log_sum_exp`` of each row, and of each column over all rows of other examples."""
    tiling = _tiling(axis_name, block_size, rows, columns)
    if tiling is not None:
        return _tiled_log_sum_exp_both_ways(tiling, *_equally_varying(rows, columns))
    of_rows, of_columns = _log_sum_exp_both_ways(rows, _gathered(columns, axis_name))
    if axis_name is not None:  # so far over this device's rows only, of all devices' columns
        parts = of_columns.reshape(-1, len(columns.z))
        of_columns = jax.nn.logsumexp(jax.lax.all_to_all(parts, axis_name, 0, 0), axis=0)
    return of_rows, of_columns


def log_sum_exp_of_others(
    rows: Side, axis_name: str | None, block_size: int | None
) -> Float[Array, " n"]:
    """Returns ``log(sum of exp(row . row'))`` of each row, over all rows of other examples."""
    tiling = _tiling(axis_name, block_size, rows)
    if tiling is None:
        return _log_sum_exp_of_rows(rows, _gathered(rows, axis_name))
    return _tiled_log_sum_exp_of_others(tiling, rows)


def softplus_sum(
    rows: Side, columns: Side, axis_name: str | None, block_size: int | None
) -> Float[Array, " n"]:
    """Returns the sum over all columns of ``softplus(row . column)`` of each row.

    The score with a column of the row's own example changes its sign.
    """
    tiling = _tiling(axis_name, block_size, rows, columns)
    if tiling is None:
        return _softplus_sum_of_rows(rows, _gathered(columns, axis_name))
    return _tiled_softplus_sum(tiling, *_equally_varying(rows, columns))


def dot_products(a: Float[Array, "n d"], b: Float[Array, "m d"]) -> Float[Array, "n m"]:
    return jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)


def _log_sum_exp_of_rows(rows: Side, columns: Side) -> Array:
    return jax.nn.logsumexp(_scores_of_others(rows, columns), axis=1)


def _log_sum_exp_both_ways(rows: Side, columns: Side) -> tuple[Array, Array]:
    scores = _scores_of_others(rows, columns)
    return jax.nn.logsumexp(scores, axis=1), jax.nn.logsumexp(scores, axis=0)


def _scores_of_others(rows: Side, columns: Side) -> Array:
    return jnp.where(_other_examples(rows, columns), dot_products(rows.z, columns.z), -jnp.inf)


class _Scored(NamedTuple):
    """A side, the totals of its rows, and the gradients of these totals."""

    side: Side
    totals: Any = None
    gradients: Any = None


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _tiled_log_sum_exp(tiling: Tiling, rows: Side, columns: Side) -> Array:
    tile = _log_sum_exp_of_rows
    return fold_rows(tiling, tile, jnp.logaddexp, rows, columns, _zeros(rows) - jnp.inf)


def _log_sum_exp_forward(tiling: Tiling, rows: Side, columns: Side) -> tuple[Array, Any]:
    totals = _tiled_log_sum_exp(tiling, rows, columns)
    return totals, (rows, columns, totals)


def _log_sum_exp_backward(tiling: Tiling, saved: Any, gradients: Array) -> tuple[Side, Side]:
    rows, columns, totals = saved
    return _gradients(tiling, _row_softmax, _Scored(rows, totals, gradients), _Scored(columns))


_tiled_log_sum_exp.defvjp(_log_sum_exp_forward, _log_sum_exp_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _tiled_log_sum_exp_both_ways(tiling: Tiling, rows: Side, columns: Side) -> tuple[Array, Array]:
    tile, lowest = _log_sum_exp_both_ways, (_zeros(rows) - jnp.inf, _zeros(columns) - jnp.inf)
    return fold_rows_and_columns(tiling, tile, jnp.logaddexp, rows, columns, *lowest)


def _both_ways_forward(tiling: Tiling, rows: Side, columns: Side) -> tuple[Any, Any]:
    totals = _tiled_log_sum_exp_both_ways(tiling, rows, columns)
    return totals, (rows, columns, totals)


def _both_ways_backward(tiling: Tiling, saved: Any, gradients: Any) -> tuple[Side, Side]:
    rows, columns, totals = saved
    scored = map(_Scored, (rows, columns), totals, gradients)
    return _gradients(tiling, _row_and_column_softmax, *scored)


_tiled_log_sum_exp_both_ways.defvjp(_both_ways_forward, _both_ways_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _tiled_log_sum_exp_of_others(tiling: Tiling, rows: Side) -> Array:
    tile = _log_sum_exp_both_ways
    return fold_symmetric(tiling, tile, jnp.logaddexp, rows, _zeros(rows) - jnp.inf)


def _of_others_forward(tiling: Tiling, rows: Side) -> tuple[Array, Any]:
    totals = _tiled_log_sum_exp_of_others(tiling, rows)
    return totals, (rows, totals)


def _of_others_backward(tiling: Tiling, saved: Any, gradients: Array) -> tuple[Side]:
    rows, totals = saved
    tile, scored = (
        partial(_gradient_tile, _row_and_column_softmax),
        _Scored(rows, totals, gradients),
    )
    return (_gradient(rows, fold_symmetric(tiling, tile, jnp.add, scored, rows.z * 0)),)


_tiled_log_sum_exp_of_others.defvjp(_of_others_forward, _of_others_backward)


def _row_softmax(rows: _Scored, columns: _Scored, scores: Array) -> Array:
    softmax = jnp.exp(scores - rows.totals[:, None]) * rows.gradients[:, None]
    return jnp.where(_other_examples(rows.side, columns.side), softmax, 0)


def _row_and_column_softmax(rows: _Scored, columns: _Scored, scores: Array) -> Array:
    softmax = jnp.exp(scores - rows.totals[:, None]) * rows.gradients[:, None]
    softmax += jnp.exp(scores - columns.totals[None]) * columns.gradients[None]
    return jnp.where(_other_examples(rows.side, columns.side), softmax, 0)


def _softplus_sum_of_rows(rows: Side, columns: Side) -> Array:
    scores = dot_products(rows.z, columns.z)
    scores = jnp.where(_same_example(rows, columns), -scores, scores)
    return jnp.where(_not_padding(rows, columns), jax.nn.softplus(scores), 0).sum(axis=1)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _tiled_softplus_sum(tiling: Tiling, rows: Side, columns: Side) -> Array:
    return fold_rows(tiling, _softplus_sum_of_rows, jnp.add, rows, columns, _zeros(rows))


def _softplus_forward(tiling: Tiling, rows: Side, columns: Side) -> tuple[Array, Any]:
    return _tiled_softplus_sum(tiling, rows, columns), (rows, columns)


def _softplus_backward(tiling: Tiling, saved: Any, gradients: Array) -> tuple[Side, Side]:
    rows, columns = saved
    scored = _Scored(rows, gradients=gradients), _Scored(columns)
    return _gradients(tiling, _softplus_slope, *scored)


_tiled_softplus_sum.defvjp(_softplus_forward, _softplus_backward)


def _softplus_slope(rows: _Scored, columns: _Scored, scores: Array) -> Array:
    same = _same_example(rows.side, columns.side)
    slope = jnp.where(same, -jax.nn.sigmoid(-scores), jax.nn.sigmoid(scores))
    return jnp.where(_not_padding(rows.side, columns.side), slope * rows.gradients[:, None], 0)


def _gradients(
    tiling: Tiling, of_scores: Callable[..., Array], rows: _Scored, columns: _Scored
) -> tuple[Side, Side]:
    """Returns the gradients of both sides, where ``of_scores`` yields those of a tile's scores."""
    tile, zeros = partial(_gradient_tile, of_scores), (rows.side.z * 0, columns.side.z * 0)
    dz = fold_rows_and_columns(tiling, tile, jnp.add, rows, columns, *zeros)
    return _gradient(rows.side, dz[0]), _gradient(columns.side, dz[1])


def _gradient_tile(
    of_scores: Callable[..., Array], rows: _Scored, columns: _Scored
) -> tuple[Array, Array]:
    g = of_scores(rows, columns, dot_products(rows.side.z, columns.side.z))
    return dot_products(g, columns.side.z.T), dot_products(g.T, rows.side.z.T)


def _gradient(side: Any, dz: Array) -> Side:
    return side._replace(z=_last_derivative(dz), example=None)  # an index has no gradient


@jax.custom_vjp
def _last_derivative(dz: Array) -> Array:
    """Returns a gradient that cannot be differentiated again, but used as a constant."""
    return dz


def _refuse(saved: None, gradients: Array) -> tuple[Array]:
    raise NotImplementedError("block_size: there is no second derivative in tiles; expected None")


_last_derivative.defvjp(lambda dz: (dz, None), _refuse)


def _zeros(side: Side) -> Array:
    return side.z[:, 0] * 0


def _same_example(rows: Side, columns: Side) -> Bool[Array, "n m"]:
    return rows.example[:, None] == columns.example[None]


def _not_padding(rows: Side, columns: Side) -> Bool[Array, "n m"]:
    return (rows.example[:, None] >= 0) & (columns.example[None] >= 0)


def _other_examples(rows: Side, columns: Side) -> Bool[Array, "n m"]:
    return ~_same_example(rows, columns) & _not_padding(rows, columns)


def _tiling(axis_name: str | None, block_size: int | None, *sides: Side) -> Tiling | None:
    """Returns None where all scores are computed at once."""
    if block_size is None:
        return None
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1, not {block_size}")
    one_tile = axis_name is None and all(len(side.z) <= block_size for side in sides)
    return None if one_tile else Tiling(block_size, axis_name)


def _gathered(side: Side, axis_name: str | None) -> Side:
    return Side(gather(side.z, axis_name), gather(side.example, axis_name))


def _equally_varying(rows: Side, columns: Side) -> tuple[Side, Side]:
    """Makes each vary over the devices wherever the other does, in ``shard_map``.

    The gradient of a side that all devices share is then summed over them.
    """
    zero = 0 * jax.lax.stop_gradient(rows.z[0, 0] + columns.z[0, 0])
    return rows._replace(z=rows.z + zero), columns._replace(z=columns.z + zero)
