"""Folds over all pairs of rows and columns in tiles, on one device or around a ring of devices.

Each tile yields a part for its rows and a part for its columns. A fold keeps only the running
totals of these parts, so memory is linear in the number of rows and columns.

- Rows and columns are pytrees of arrays ``[n, ...]`` and ``[m, ...]``. A tile gets blocks of them,
  ``[block_size, ...]``, padded with 0, or with -1 where the type is integer.
- Totals are pytrees of arrays ``[n, ...]`` or ``[m, ...]``. ``combine`` merges two arrays of totals
  or parts; the initial totals must be neutral to it.
- On a mapped axis the columns and their totals travel from device to device until they are home
  again, so the rows of each device meet the columns of all devices.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

Block = Any  # a pytree of arrays [block_size, ...]
Blocks = Any  # a pytree of arrays [block_size, blocks, ...]


class Tiling(NamedTuple):
    """The size of a tile, and the mapped axis of the ring; None is one device."""

    block_size: int
    axis_name: str | None


def fold_rows(
    tiling: Tiling,
    tile: Callable[[Block, Block], Any],
    combine: Callable[[Array, Array], Array],
    rows: Any,
    columns: Any,
    row_totals: Any,
) -> Any:
    """Folds all tiles into totals of the rows, and returns these.

    ``tile(rows, columns)`` returns the part for its rows.
    """

    def rows_only(rows: Block, columns: Block) -> tuple[Any, None]:
        return tile(rows, columns), None

    return fold_rows_and_columns(tiling, rows_only, combine, rows, columns, row_totals, None)[0]


def fold_rows_and_columns(
    tiling: Tiling,
    tile: Callable[[Block, Block], tuple[Any, Any]],
    combine: Callable[[Array, Array], Array],
    rows: Any,
    columns: Any,
    row_totals: Any,
    column_totals: Any,
) -> tuple[Any, Any]:
    """Folds all tiles into totals of the rows and of the columns, and returns both.

    ``tile(rows, columns)`` returns the part for its rows and the part for its columns.
    """
    visit = _Visit(tile, partial(jax.tree.map, combine))
    rows, columns = _cut(tiling, rows), _cut(tiling, columns)
    of_rows, of_columns = _cut(tiling, row_totals), _cut(tiling, column_totals)
    of_rows, of_columns = visit.rectangle(rows, columns, 0, of_rows, of_columns)
    if tiling.axis_name is not None:
        of_rows, of_columns = _ring(
            tiling.axis_name, _meet_always, visit, rows, columns, of_rows, of_columns
        )
    return _join(of_rows, row_totals), _join(of_columns, column_totals)


def fold_symmetric(
    tiling: Tiling,
    tile: Callable[[Block, Block], tuple[Any, Any]],
    combine: Callable[[Array, Array], Array],
    rows: Any,
    row_totals: Any,
) -> Any:
    """Folds the tiles of a symmetric matrix, whose columns are its rows; returns their totals.

    ``tile(rows, columns)`` returns the part for its rows and the part for its columns. Two blocks
    meet in one tile only, and each part goes to the totals of its block.
    """
    visit = _Visit(tile, partial(jax.tree.map, combine))
    rows, totals = _cut(tiling, rows), _cut(tiling, row_totals)
    totals = visit.triangle(rows, totals)
    if tiling.axis_name is not None:
        away = _cut(tiling, row_totals)
        totals, away = _ring(tiling.axis_name, _meet_once, visit, rows, rows, totals, away)
        totals = visit.combine(totals, away)
    return _join(totals, row_totals)


class _Visit(NamedTuple):
    tile: Callable[[Block, Block], tuple[Any, Any]]
    combine: Callable[[Any, Any], Any]

    def row(
        self, block: Block, columns: Blocks, first: int | Array, of_row: Block, of_columns: Blocks
    ) -> tuple[Block, Blocks]:
        """Visits the tiles of one block of rows, from column block ``first`` on."""

        def column(j: Array, totals: Any) -> Any:
            of_row, of_columns = totals
            row_part, column_part = self.tile(block, _at(columns, j))
            of_columns = _put(of_columns, j, self.combine(_at(of_columns, j), column_part))
            return self.combine(of_row, row_part), of_columns

        return jax.lax.fori_loop(first, _count(columns), column, (of_row, of_columns))

    def rectangle(
        self, rows: Blocks, columns: Blocks, first: int | Array, of_rows: Blocks, of_columns: Blocks
    ) -> tuple[Blocks, Blocks]:
        """Visits the tiles of all blocks of rows, from column block ``first`` on."""

        def row(i: Array, totals: Any) -> Any:
            of_rows, of_columns = totals
            block, of_row = _at(rows, i), _at(of_rows, i)
            of_row, of_columns = self.row(block, columns, first, of_row, of_columns)
            return _put(of_rows, i, of_row), of_columns

        return jax.lax.fori_loop(0, _count(rows), row, (of_rows, of_columns))

    def triangle(self, rows: Blocks, totals: Blocks) -> Blocks:
        """Visits the tiles of each block of rows with itself and with every later block."""

        def row(i: Array, totals: Any) -> Any:
            block = _at(rows, i)
            of_row = self.combine(_at(totals, i), self.tile(block, block)[0])
            of_row, totals = self.row(block, rows, i + 1, of_row, totals)
            return _put(totals, i, of_row)

        return jax.lax.fori_loop(0, _count(rows), row, totals)


def _ring(
    axis_name: str,
    meet: Callable[[str, Array], Array],
    visit: _Visit,
    rows: Blocks,
    columns: Blocks,
    of_rows: Blocks,
    of_columns: Blocks,
) -> tuple[Blocks, Blocks]:
    """Visits the columns of the other devices as they pass by, in the turns where ``meet`` holds.

    In the last turn the columns only come home.
    """
    n = jax.lax.axis_size(axis_name)
    onward = [(i, (i - 1) % n) for i in range(n)]

    def turn(i: Array, state: Any) -> Any:
        columns, of_rows, of_columns = state
        columns, of_columns = jax.lax.ppermute((columns, of_columns), axis_name, onward)
        first = jnp.where(meet(axis_name, i), 0, _count(columns))
        return columns, *visit.rectangle(rows, columns, first, of_rows, of_columns)

    return jax.lax.fori_loop(1, n + 1, turn, (columns, of_rows, of_columns))[1:]


def _meet_always(axis_name: str, turn: Array) -> Array:
    return turn < jax.lax.axis_size(axis_name)


def _meet_once(axis_name: str, turn: Array) -> Array:
    """Each two devices meet once, in the first half of the turns."""
    n = jax.lax.axis_size(axis_name)
    return (2 * turn < n) | ((2 * turn == n) & (2 * jax.lax.axis_index(axis_name) < n))


def _cut(tiling: Tiling, x: Any) -> Blocks:
    """Cuts arrays ``[n, ...]`` into padded blocks, ``[block_size, blocks, ...]``.

    A block takes every ``blocks``-th row. Where ``jit`` splits the rows over devices, each device
    then holds its share of every block.
    """

    def cut(x: Array) -> Array:
        size = min(tiling.block_size, len(x))
        blocks = -(-len(x) // size)
        padding = [(0, blocks * size - len(x))] + [(0, 0)] * (x.ndim - 1)
        filler = -1 if jnp.issubdtype(x.dtype, jnp.integer) else 0
        return jnp.pad(x, padding, constant_values=filler).reshape(size, blocks, *x.shape[1:])

    return jax.tree.map(cut, x)


def _join(blocks: Blocks, like: Any) -> Any:
    """Undoes ``_cut``, for arrays as long as those of ``like``."""
    return jax.tree.map(lambda x, y: x.reshape(-1, *x.shape[2:])[: len(y)], blocks, like)


def _count(blocks: Blocks) -> int:
    return jax.tree.leaves(blocks)[0].shape[1]


def _at(blocks: Blocks, i: Array) -> Block:
    return jax.tree.map(lambda x: x[:, i], blocks)


def _put(blocks: Blocks, i: Array, block: Block) -> Blocks:
    return jax.tree.map(lambda x, y: x.at[:, i].set(y), blocks, block)
