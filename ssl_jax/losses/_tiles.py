"""Visiting all pairs of rows and columns in tiles, on one device or round the ring of them.

What is computed of a tile is a part for its rows and a part for its columns; combined, they are all
that is ever kept, so memory is linear in the number of rows and columns.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

Block = Any  # a pytree of arrays [block_size, ...]
Blocks = Any  # a pytree of arrays [block_size, blocks, ...]


Wanted = Literal["rows", "rows and columns", "symmetric"]


class Sweep(NamedTuple):
    """What is wanted of the matrix, the size of a tile, and the mapped axis of the ring."""

    wanted: Wanted
    block_size: int
    axis_name: str | None


def fold(
    sweep: Sweep,
    tile: Callable[[Block, Block], tuple[Any, Any]],
    combine: Callable[[Array, Array], Array],
    sides: Any,
    nothing: Any,
) -> tuple[Any, ...]:
    """Combine ``tile(rows, columns)``, a part for each, over all blocks of rows and columns.

    On a mapped axis the columns of all devices come by, one device's at a time, and what is kept
    of them travels with them, until all are home again. A symmetric matrix has its rows for
    columns, and the tile's part for its columns counts as theirs: one half of the tiles is visited.

    Args:
      sweep: the size of a tile, the axis.
      tile: gets pytrees of ``[block_size, ...]``; padding is 0, of whole numbers -1.
      combine: of two arrays of parts.
      sides: the rows and the columns, pytrees of ``[n, ...]`` and ``[m, ...]``; the rows alone if
        symmetric.
      nothing: what is kept of each side before the first tile, ``[n, ...]`` and ``[m, ...]``.

    Returns:
      What is kept of each side, like ``nothing``.
    """
    visit = _Visit(tile, partial(jax.tree.map, combine))
    cut = partial(jax.tree.map, partial(_cut, sweep.block_size))
    rows, columns = cut(sides[0]), cut(sides[-1])
    home, visiting = cut(nothing[0]), cut(nothing[-1])
    symmetric = sweep.wanted == "symmetric"
    if symmetric:
        home = visit.triangle(rows, home)
    else:
        home, visiting = visit.rectangle(rows, columns, 0, home, visiting)
    if sweep.axis_name is not None:
        home, visiting = _ring(sweep, visit, rows, columns, home, visiting)
        home = visit.combine(home, visiting) if symmetric else home
    kept = (home,) if symmetric else (home, visiting)
    return jax.tree.map(lambda x, like: _join(len(like), x), kept, tuple(nothing))


class _Visit(NamedTuple):
    tile: Callable[[Block, Block], tuple[Any, Any]]
    combine: Callable[[Any, Any], Any]

    def row(
        self, block: Block, columns: Blocks, first: int | Array, mine: Block, theirs: Blocks
    ) -> tuple[Block, Blocks]:
        """A block of rows with the blocks of columns from the first on."""

        def column(j: Array, kept: Any) -> Any:
            mine, theirs = kept
            of_rows, of_columns = self.tile(block, _at(columns, j))
            theirs = _put(theirs, j, self.combine(_at(theirs, j), of_columns))
            return self.combine(mine, of_rows), theirs

        return jax.lax.fori_loop(first, _count(columns), column, (mine, theirs))

    def rectangle(
        self, rows: Blocks, columns: Blocks, first: int | Array, home: Blocks, visiting: Blocks
    ) -> tuple[Blocks, Blocks]:
        """All blocks of rows with the blocks of columns from the first on."""

        def row(i: Array, kept: Any) -> Any:
            home, visiting = kept
            block, mine = _at(rows, i), _at(home, i)
            mine, visiting = self.row(block, columns, first, mine, visiting)
            return _put(home, i, mine), visiting

        return jax.lax.fori_loop(0, _count(rows), row, (home, visiting))

    def triangle(self, rows: Blocks, home: Blocks) -> Blocks:
        """All blocks of rows with themselves, and with every later block."""

        def row(i: Array, home: Any) -> Any:
            block = _at(rows, i)
            mine = self.combine(_at(home, i), self.tile(block, block)[0])
            mine, home = self.row(block, rows, i + 1, mine, home)
            return _put(home, i, mine)

        return jax.lax.fori_loop(0, _count(rows), row, home)


def _ring(
    sweep: Sweep, visit: _Visit, rows: Blocks, columns: Blocks, home: Blocks, visiting: Blocks
) -> tuple[Blocks, Blocks]:
    """The other devices' columns come by; of a symmetric matrix each two devices meet once."""
    axis, n = sweep.axis_name, jax.lax.axis_size(sweep.axis_name)
    onwards = [(i, (i - 1) % n) for i in range(n)]

    def turn(i: Array, kept: Any) -> Any:
        columns, home, visiting = kept
        columns, visiting = jax.lax.ppermute((columns, visiting), axis, onwards)
        meet = i < n
        if sweep.wanted == "symmetric":
            meet = (2 * i < n) | ((2 * i == n) & (2 * jax.lax.axis_index(axis) < n))
        first = jnp.where(meet, 0, _count(columns))
        return columns, *visit.rectangle(rows, columns, first, home, visiting)

    return jax.lax.fori_loop(1, n + 1, turn, (columns, home, visiting))[1:]


def _cut(block_size: int, x: Array) -> Array:
    """``[n, ...]`` as ``[block_size, blocks, ...]``, padded.

    A block takes rows from all over, so that of an array split over devices under ``jit`` every
    device has its share of each block.
    """
    size = min(block_size, len(x))
    count = -(-len(x) // size)
    padding = [(0, count * size - len(x))] + [(0, 0)] * (x.ndim - 1)
    filler = -1 if jnp.issubdtype(x.dtype, jnp.integer) else 0
    return jnp.pad(x, padding, constant_values=filler).reshape(size, count, *x.shape[1:])


def _join(n: int, x: Array) -> Array:
    return x.reshape(-1, *x.shape[2:])[:n]


def _count(blocks: Blocks) -> int:
    return jax.tree.leaves(blocks)[0].shape[1]


def _at(blocks: Blocks, i: Array) -> Block:
    return jax.tree.map(lambda x: x[:, i], blocks)


def _put(blocks: Blocks, i: Array, block: Block) -> Blocks:
    return jax.tree.map(lambda x, y: x.at[:, i].set(y), blocks, block)
