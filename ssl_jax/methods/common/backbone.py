"""Where a method keeps its backbone."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ssl_jax.methods.base import Backbone, Extra, Params

Place = tuple[str, str]


def backbone_at(
    params: str, stats: str, *, copies: Sequence[Place] = ()
) -> tuple[
    Callable[[Params, Extra], Backbone],
    Callable[[Params, Extra, Backbone], tuple[Params, Extra]],
]:
    """Builds ``Method.backbone`` and ``Method.with_backbone`` of a backbone at fixed places.

    Args:
      params: the path of its parameters, such as ``params/encoder/backbone``.
      stats: the path of its BatchNorm statistics, such as ``extra/encoder/backbone``; there may be
        none there.
      copies: the same of a student or teacher that has a copy.
    """

    def backbone(of_params: Params, extra: Extra) -> Backbone:
        tree = {"params": of_params, "extra": extra}
        return _at(tree, params), _at(tree, stats)

    def with_backbone(of_params: Params, extra: Extra, backbone: Backbone) -> tuple[Params, Extra]:
        tree = {"params": of_params, "extra": extra}
        for places in ((params, stats), *copies):
            for place, part in zip(places, backbone, strict=True):
                tree = _with(tree, place.split("/"), jax.tree.map(jnp.copy, part))
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
