"""The blocks of a backbone in its tree of parameters, from the input to the output.

A ResNet has ``stem``, ``stage1``, ``stage2``, ...; a ViT ``stem`` (patch embedding, class token and
positions), ``block1``, ``block2``, ... and ``norm``; DCGAN's encoder and an MLP ``layer1``,
``layer2``, ...
"""

from collections.abc import Mapping
from typing import Any

_LISTS = {"stages": "stage", "blocks": "block", "layers": "layer"}
Params = dict[str, Any]


def blocks(params: Mapping[str, Any]) -> dict[str, Params]:
    """Returns the parameters of each block, nested as in the whole tree.

    Args:
      params: of a backbone, or a part of them.
    """
    (container,) = params.keys() & _LISTS.keys() or {""}
    top = ("norm",) if container == "blocks" else ()
    stem = {name: part for name, part in params.items() if name not in (container, *top)}
    found = {"stem": stem} if stem else {}
    members = params.get(container, {})
    for index in sorted(members, key=int):
        found[f"{_LISTS[container]}{int(index) + 1}"] = {container: {index: members[index]}}
    return found | {name: {name: params[name]} for name in top if name in params}


def up_to(params: Mapping[str, Any], last: str) -> tuple[Params, Params]:
    """Splits the parameters after a block.

    Args:
      params: of a backbone.
      last: a block, ``backbone`` for all of them, or ``""`` for none.

    Returns:
      The parameters up to that block, and the others.

    Raises:
      KeyError: there is no such block.
    """
    parts = blocks(params)
    names = list(parts)
    count = {"": 0, "backbone": len(names)}.get(last, -1)
    count = names.index(last) + 1 if count < 0 and last in parts else count
    if count < 0:
        raise KeyError(last)
    below: Params = {}
    above: Params = {}
    for position, part in enumerate(parts.values()):
        if position < count:
            below = merged(below, part)
        else:
            above = merged(above, part)
    return below, above


def merged(a: Mapping[str, Any], b: Mapping[str, Any]) -> Params:
    """Joins two nested dictionaries without a common leaf."""
    both = {
        name: merged(a[name], b[name]) if name in a and name in b else a.get(name, b.get(name))
        for name in (*a, *(name for name in b if name not in a))
    }
    return dict(sorted(both.items()))


def branches(params: Mapping[str, Any]) -> int:
    """Returns the number of residual branches: two per transformer block, one per ResNet block."""
    if "blocks" in params:
        return 2 * len(params["blocks"])
    return sum(len(stage) for stage in params.get("stages", {}).values())
