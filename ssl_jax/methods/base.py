"""The contract: a method is five pure functions, the same for every modality.

The step, the loop, checkpoints and evaluation know a method only through these. What an author of a
method has to keep to:

* Parameters, and everything else that lives on between steps (``extra``: BatchNorm statistics, an
  EMA teacher, a queue, a centre, counters), are pytrees of arrays in plain dictionaries.
* Randomness comes from the key alone, which the step folds with the step's number; no state.
* Views of one shape are stacked on a leading axis, ``[v, n, ...]``, and never concatenated along
  ``n``: with a batch sharded over devices stacking moves nothing between them.
* Losses are written for the global batch. Nothing in a method knows of devices.
* A network takes ``config.train.microbatches`` from ``from_module``, and views by ``apply_views``,
  so that a batch can be cut into slices without the loss seeing it.
* ``stop_gradient`` stands where the paper has it. ``update`` runs after the optimiser.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int, PRNGKeyArray

Params = Any
Extra = Any
Batch = dict[str, Any]
Views = dict[str, Any]
Metrics = dict[str, Float[Array, ""]]


class Method(NamedTuple):
    """A self-supervised method.

    Attributes:
      init: ``(key, batch) -> params, extra``. ``batch`` may hold arrays or ShapeDtypeStructs.
      views: ``(key, batch) -> {name: [v, n, ...]}``. What the method looks at, one entry a shape.
      loss: ``(params, extra, views, key, step) -> scalar, (extra, metrics)``.
      update: ``(params, extra, step) -> params, extra``, after the optimiser's update.
      embed: ``(params, extra, batch) -> {"features": [n, d], ...}``. No randomness, and each row
        depends on its own example alone.
    """

    init: Callable[[PRNGKeyArray, Batch], tuple[Params, Extra]]
    views: Callable[[PRNGKeyArray, Batch], Views]
    loss: Callable[
        [Params, Extra, Views, PRNGKeyArray, Int[Array, ""]],
        tuple[Float[Array, ""], tuple[Extra, Metrics]],
    ]
    update: Callable[[Params, Extra, Int[Array, ""]], tuple[Params, Extra]]
    embed: Callable[[Params, Extra, Batch], dict[str, Float[Array, "n _"]]]


def no_update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
    """The ``update`` of a method that keeps nothing beside the gradient."""
    del step
    return params, extra
