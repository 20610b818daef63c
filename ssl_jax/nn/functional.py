"""Turns flax.nnx modules into pure functions over plain dictionaries; no other file does.

All other code sees parameters and statistics as nested dictionaries of arrays, never an nnx object.
This file uses only nnx's Module, variables, split, merge, state, update and to_pure_dict.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, PRNGKeyArray, PyTree

Params = dict[str, Any]
Stats = dict[str, Any]


class Network(NamedTuple):
    """A network as pure functions.

    Attributes:
      init: ``key -> params, stats``; ``stats`` are BatchNorm's running statistics, ``{}`` if the
        network has none.
      apply: ``(params, stats, *inputs, train) -> outputs, stats``, for examples ``[n, ...]``. The
        returned ``stats`` are new if ``train`` is True and unchanged otherwise.
      apply_views: the same for views ``[v, n, ...]``, which BatchNorm sees jointly.
    """

    init: Callable[[PRNGKeyArray], tuple[Params, Stats]]
    apply: Callable[..., tuple[Any, Stats]]
    apply_views: Callable[..., tuple[Any, Stats]]


def from_module(
    make: Callable[[nnx.Rngs], nnx.Module], *, microbatches: int = 1, call: str = "__call__"
) -> Network:
    """Turns a module into pure functions.

    Micro-batches save memory: only the activations of one slice exist at a time. The slices are
    computed one after the other, and again in the backward pass. Outputs and gradients equal the
    whole batch's, except through BatchNorm, which sees each slice's statistics and updates its
    running ones once per slice (GradCache, Gao et al. 2021, https://arxiv.org/abs/2101.06983).

    Args:
      make: builds the module from ``rngs``.
      microbatches: number of slices that the examples of a batch are cut into if ``train`` is True.
      call: name of the module's method that ``apply`` runs, with ``(*inputs, train: bool)``.

    Returns:
      The network. Its parameters are the module's ``nnx.Param``, its statistics the module's
      ``nnx.BatchStat``.

    Raises:
      ValueError: from ``init``, if the module has any other kind of state.
    """

    def split(key: PRNGKeyArray) -> tuple[Any, Params, Stats]:
        module = make(nnx.Rngs(params=key))
        split_states: Any = nnx.split(module, nnx.Param, nnx.BatchStat, ...)
        graph, params, stats, rest = split_states
        if jax.tree.leaves(rest):
            raise ValueError(f"only Param and BatchStat are supported, not {rest}")
        return graph, nnx.to_pure_dict(params), nnx.to_pure_dict(stats)

    def init(key: PRNGKeyArray) -> tuple[Params, Stats]:
        _, params, stats = split(key)
        return _named(params), _named(stats)

    def graph() -> Any:
        found = []
        key = jax.eval_shape(lambda: jax.random.key(0))
        jax.eval_shape(lambda key: found.append(split(key)[0]), key)
        return found[0]

    def apply(params: Params, stats: Stats, *inputs: PyTree[Array], train: bool) -> Any:
        module = nnx.merge(graph(), _numbered(params), _numbered(stats))
        outputs = getattr(module, call)(*inputs, train=train)
        return outputs, _named(nnx.to_pure_dict(nnx.state(module, nnx.BatchStat)))

    def apply_views(params: Params, stats: Stats, *views: PyTree[Array], train: bool) -> Any:
        v = jax.tree.leaves(views)[0].shape[0]
        outputs, stats = apply(params, stats, *jax.tree.map(_join_views, views), train=train)
        return jax.tree.map(lambda x: _split_views(x, v), outputs), stats

    if microbatches == 1:
        return Network(init, apply, apply_views)
    return Network(
        init,
        _in_slices(apply, microbatches, axis=0),
        _in_slices(apply_views, microbatches, axis=1),
    )


def _in_slices(apply: Callable[..., Any], count: int, axis: int) -> Callable[..., Any]:
    """Runs ``apply`` on one slice of the examples after the other, passing the statistics on.

    Slice ``k`` holds every ``count``-th example, starting from the ``k``-th. If a batch is sharded,
    each device thus holds its part of every slice, and no example moves between devices.
    """

    def sliced(params: Params, stats: Stats, *inputs: PyTree[Array], train: bool) -> Any:
        if not train:
            return apply(params, stats, *inputs, train=False)

        # in a scan XLA cannot merge the recomputation with the forward pass
        @partial(jax.checkpoint, prevent_cse=False)
        def one(stats: Stats, part: PyTree[Array]) -> Any:
            outputs, stats = apply(params, stats, *part, train=True)
            return stats, outputs

        parts = jax.tree.map(lambda x: _cut(x, count, axis), inputs)
        stats, outputs = lax.scan(one, stats, parts)
        return jax.tree.map(lambda x: _uncut(x, axis), outputs), stats

    return sliced


def _cut(x: Array, count: int, axis: int) -> Array:
    """Reshapes ``[..., n, ...]`` to ``[count, ..., n / count, ...]``."""
    n = x.shape[axis]
    if n % count:
        raise ValueError(f"{n} examples do not split into {count} micro-batches")
    shape = (*x.shape[:axis], n // count, count, *x.shape[axis + 1 :])
    return jnp.moveaxis(x.reshape(shape), axis + 1, 0)


def _uncut(x: Array, axis: int) -> Array:
    """Inverts ``_cut``."""
    x = jnp.moveaxis(x, 0, axis + 1)
    return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])


def rematerialized(module: nnx.Module, *inputs: PyTree[Array], **options: bool) -> Array:
    """Runs ``module(*inputs, **options)`` without keeping its activations for the backward pass.

    The backward pass recomputes them, so a deep network holds those of one module at a time.
    Values, gradients and updates of statistics do not change. On a CPU this saves memory with jax
    0.12.0; the compiler of 0.10.2 recomputes too early.
    """
    graph, state = nnx.split(module)

    @jax.checkpoint
    def run(state: Any, *inputs: PyTree[Array]) -> tuple[Array, Any]:
        again = nnx.merge(graph, state)
        return again(*inputs, **options), nnx.state(again, nnx.BatchStat)

    y, stats = run(state, *inputs)
    nnx.update(module, stats)
    return y


def _named(tree: Any) -> Any:
    """Turns list positions into strings, since names in checkpoints and files are strings."""
    if not isinstance(tree, dict):
        return tree
    return {str(name): _named(child) for name, child in tree.items()}


def _numbered(tree: Any) -> Any:
    """Inverts ``_named``."""
    if not isinstance(tree, dict):
        return tree
    return {int(n) if n.isdigit() else n: _numbered(child) for n, child in tree.items()}


def _join_views(views: Array) -> Array:
    """Reshapes ``[v, n, ...]`` to ``[n * v, ...]``, so that BatchNorm sees all views jointly.

    Examples stay the outer axis, so a sharded batch moves nothing between devices.
    """
    v, n = views.shape[:2]
    return views.swapaxes(0, 1).reshape(n * v, *views.shape[2:])


def _split_views(joined: Array, v: int) -> Array:
    """Inverts ``_join_views``."""
    return joined.reshape(-1, v, *joined.shape[1:]).swapaxes(0, 1)
