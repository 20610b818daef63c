"""The paths at which a method keeps its backbone."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ssl_jax.methods.base import Backbone, Extra, Params

Paths = tuple[str, str]


def backbone_at(
    params: str, stats: str, *, copies: Sequence[Paths] = ()
) -> tuple[
    Callable[[Params, Extra], Backbone],
    Callable[[Params, Extra, Backbone], tuple[Params, Extra]],
]:
    """Builds ``Method.backbone`` and ``Method.with_backbone`` for a backbone at fixed paths.

    Args:
      params: path of its parameters, such as ``params/encoder/backbone``.
      stats: path of its BatchNorm statistics, such as ``extra/encoder/backbone``; there may be
        nothing at that path.
      copies: the two paths of each copy, such as a teacher's.
    """

    def backbone(all_params: Params, extra: Extra) -> Backbone:
        tree = {"params": all_params, "extra": extra}
        return _at(tree, params), _at(tree, stats)

    def with_backbone(all_params: Params, extra: Extra, backbone: Backbone) -> tuple[Params, Extra]:
        tree = {"params": all_params, "extra": extra}
        for paths in ((params, stats), *copies):
            for path, part in zip(paths, backbone, strict=True):
                tree = _with(tree, path.split("/"), jax.tree.map(jnp.copy, part))
        return tree["params"], tree["extra"]

    return backbone, with_backbone


def _at(tree: Any, path: str) -> Any:
    for key in path.split("/"):
        tree = tree.get(key, {})
    return tree


def _with(tree: Any, path: Sequence[str], part: Any) -> Any:
    if not path:
        return part
    key, *rest = path
    if key not in tree and not part:
        return tree
    return tree | {key: _with(tree[key], rest, part)}
