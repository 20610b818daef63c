"""Starts a run from the backbone of an earlier run, whichever method trained it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from ssl_jax.config import declared, flatten
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Backbone, Extra, Method, Params
from ssl_jax.placement import Placement
from ssl_jax.runs.run import load
from ssl_jax.runs.workdir import read_config
from ssl_jax.train.checkpoint import shapes_of


def with_backbone_of(
    workdir: Path,
    method: Method,
    params: Params,
    extra: Extra,
    placement: Placement,
    network: ConfigDict,
) -> tuple[Params, Extra, str]:
    """Replaces a method's backbone by that of an earlier run.

    Args:
      workdir: the earlier run's folder.
      method: the method that is about to train.
      params: its parameters.
      extra: its extra state.
      placement: where the new arrays are put.
      network: ``config.network`` of the method that is about to train; if the backbones differ, the
        message names the settings that do.

    Returns:
      The new ``params`` and ``extra``, and a line that says what was taken and what was not.

    Raises:
      InputError: there is no such run, one of the two methods does not say where its backbone is,
        or the backbones differ; the message names the first array that differs.
    """
    try:
        known = declared(read_config(workdir)) is not None
        earlier = load(workdir, method=None if known else method)
    except InputError as error:
        raise InputError(f"init_from: {error}") from error
    taken = earlier.method.backbone(earlier.params, earlier.extra)
    settings = _differing(earlier.config.network, network)
    _check_fit(workdir, taken, method.backbone(params, extra), settings)
    arrays = set(map(id, jax.tree.leaves(taken)))
    left = [*_without(earlier.params, arrays, "params"), *_without(earlier.extra, arrays, "extra")]
    said = (
        f"init_from: {workdir}: took the backbone, {len(arrays)} arrays after {earlier.step:,} "
        f"steps; not taken: {', '.join(left) or 'nothing'}"
    )
    params, extra = method.with_backbone(params, extra, taken)
    placed = placement.put_state({"params": params, "extra": extra})
    return placed["params"], placed["extra"], said


def _differing(there: ConfigDict, here: ConfigDict) -> str:
    """Lists the settings of the network that differ."""
    a, b = dict(flatten(there, "network.")), dict(flatten(here, "network."))
    return ", ".join(
        f"{key} ({a[key]!r} there, {b[key]!r} here)" for key in a if key in b and a[key] != b[key]
    )


def _check_fit(workdir: Path, there: Backbone, here: Backbone, settings: str) -> None:
    """Checks that both backbones hold arrays of the same names, shapes and types."""
    for kind, theirs, ours in zip(
        ("parameter", "BatchNorm statistic"),
        map(shapes_of, there),
        map(shapes_of, here),
        strict=True,
    ):
        for name in sorted(theirs.keys() | ours.keys()):
            if theirs.get(name) != ours.get(name):
                expected = f"the same {settings}" if settings else "data of the same shape"
                raise InputError(
                    f"init_from: {workdir}: the backbones differ: the {kind} {name} is "
                    f"{theirs.get(name, 'absent')} there and {ours.get(name, 'absent')} here; "
                    f"expected {expected}"
                )


def _without(tree: Any, arrays: set[int], path: str) -> Iterator[str]:
    """Yields the paths of the largest subtrees that hold none of the arrays, given by their ids."""
    held = {id(leaf) in arrays for leaf in jax.tree.leaves(tree)}
    if held == {False}:
        yield path
    elif True in held and isinstance(tree, dict):
        for name, part in tree.items():
            yield from _without(part, arrays, f"{path}/{name}")
