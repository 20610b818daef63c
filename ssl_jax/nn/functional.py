"""The only seam to flax.nnx: a module becomes two pure functions over plain dictionaries.

Everything outside sees parameters and statistics as nested dictionaries of arrays, and never an nnx
object. Inside, only nnx's Module, variables, split, merge and state are used.
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
    """Two pure functions.

    Attributes:
      init: ``key -> params, stats``; ``stats`` are BatchNorm's running statistics, ``{}`` if none.
      apply: ``(params, stats, *inputs, train) -> outputs, stats``, of examples ``[n, ...]``;
        ``stats`` come back changed only where ``train`` is True.
      apply_views: the same of views ``[v, n, ...]``, which BatchNorm sees jointly.
    """

    init: Callable[[PRNGKeyArray], tuple[Params, Stats]]
    apply: Callable[..., tuple[Any, Stats]]
    apply_views: Callable[..., tuple[Any, Stats]]


def from_module(make: Callable[[nnx.Rngs], nnx.Module], *, microbatches: int = 1) -> Network:
    """The pure functions of the module that ``make(rngs)`` builds.

    Args:
      make: builds the module; its ``__call__(*inputs, train: bool)`` is what ``apply`` runs.
      microbatches: where ``train`` is True, into how many slices of the examples a batch is cut.
        They are computed one after the other and again in the backward pass, so that the
        activations of one are in memory at a time. Outputs and gradients are the whole batch's,
        but for BatchNorm: it has the statistics of each slice, and its running ones move once a
        slice (GradCache, Gao et al. 2021, https://arxiv.org/abs/2101.06983).

    Returns:
      A ``Network``. Its parameters are the module's ``nnx.Param``, its statistics the
      ``nnx.BatchStat``; a module with any other kind of state is refused with a ValueError.
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
        outputs = module(*inputs, train=train)
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
    """``apply`` on one slice of the examples' axis after the other, statistics handed on.

    Slice ``k`` has every ``count``-th example, from the ``k``-th on: with a batch sharded over
    devices each has its share of every slice, and none moves.
    """

    def sliced(params: Params, stats: Stats, *inputs: PyTree[Array], train: bool) -> Any:
        if not train:
            return apply(params, stats, *inputs, train=False)

        @partial(jax.checkpoint, prevent_cse=False)  # a scan needs no guard against merging
        def one(stats: Stats, part: PyTree[Array]) -> Any:
            outputs, stats = apply(params, stats, *part, train=True)
            return stats, outputs

        parts = jax.tree.map(lambda x: _cut(x, count, axis), inputs)
        stats, outputs = lax.scan(one, stats, parts)
        return jax.tree.map(lambda x: _uncut(x, axis), outputs), stats

    return sliced


def _cut(x: Array, count: int, axis: int) -> Array:
    """``[..., n, ...]`` to ``[count, ..., n / count, ...]``."""
    n = x.shape[axis]
    if n % count:
        raise ValueError(f"{n} examples do not split into {count} micro-batches")
    shape = (*x.shape[:axis], n // count, count, *x.shape[axis + 1 :])
    return jnp.moveaxis(x.reshape(shape), axis + 1, 0)


def _uncut(x: Array, axis: int) -> Array:
    """The inverse of ``_cut``."""
    x = jnp.moveaxis(x, 0, axis + 1)
    return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])


def rematerialized(module: nnx.Module, x: Array, **options: bool) -> Array:
    """``module(x, **options)``, of whose inside nothing is kept for the backward pass.

    That computes it again, so of a deep network the inside of one module at a time is held. Values,
    gradients and how statistics move stay as they are without. On a CPU it saves memory with jax
    0.12.0; 0.10.2's compiler computes again too early.
    """
    graph, state = nnx.split(module)

    @jax.checkpoint
    def run(state: Any, x: Array) -> tuple[Array, Any]:
        again = nnx.merge(graph, state)
        return again(x, **options), nnx.state(again, nnx.BatchStat)

    y, stats = run(state, x)
    nnx.update(module, stats)
    return y


def _named(tree: Any) -> Any:
    """List positions as strings, since a checkpoint's and a file's names are strings."""
    if not isinstance(tree, dict):
        return tree
    return {str(name): _named(child) for name, child in tree.items()}


def _numbered(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    return {int(n) if n.isdigit() else n: _numbered(child) for n, child in tree.items()}


def _join_views(views: Array) -> Array:
    """``[v, n, ...]`` to ``[n * v, ...]``, so that BatchNorm sees all views of the batch jointly.

    Examples stay the outer axis: with a batch sharded over devices nothing moves between them.
    """
    v, n = views.shape[:2]
    return views.swapaxes(0, 1).reshape(n * v, *views.shape[2:])


def _split_views(joined: Array, v: int) -> Array:
    """``[n * v, ...]`` back to ``[v, n, ...]``."""
    return joined.reshape(-1, v, *joined.shape[1:]).swapaxes(0, 1)
