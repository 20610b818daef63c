"""The contract: a method is a few pure functions, the same for every modality.

The step, the loop, checkpoints and evaluation know a method only through these. What an author of a
method has to keep to:

* Parameters, and everything else that lives on between steps (``extra``: BatchNorm statistics, an
  EMA teacher, a queue, a centre, counters), are pytrees of arrays in plain dictionaries. What
  starts as a copy is one (``jnp.copy``), since the step reuses the buffers of both.
* A method's functions close over no array that lives on a device: what they need is in
  ``params`` or ``extra``, constants are NumPy's. Otherwise it becomes a constant of the program.
* Randomness comes from the key alone, which the step folds with the step's number; no state.
* Batches and views are dictionaries whose meaning only data, method and report section know. Views
  of one shape are stacked on a leading axis, ``[v, n, ...]``, and never concatenated along ``n``:
  with a batch sharded over devices stacking moves nothing between them. Masks, labels and orders
  that a method draws are views too, ``[1, n, ...]``.
* Losses are written for the global batch. Nothing in a method knows of devices.
* A network takes ``config.train.microbatches`` from ``from_module``, and views by ``apply_views``,
  so that a batch can be cut into slices without the loss seeing it.
* ``stop_gradient`` stands where the paper has it. ``update`` runs after the optimiser.
* Schedules are functions of ``step`` and ``config.train.steps``. Those of the optimiser, clipping,
  and parts of ``params`` with an optimiser of their own are ``config.optimizer``'s; a method names
  such parts by the keys of ``params``.
* Metrics are what curves show. Those of ``methods.vitals`` are what the verdict on collapse reads.
* What a method can do beyond features (find a rotation, predict a word, fill a hole) it says by
  ``score``, a number an example, and shows by ``show``. Both are for held-out data, without them a
  method has features alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int, PRNGKeyArray

Params = Any
Extra = Any
Batch = dict[str, Any]
Views = dict[str, Any]
Metrics = dict[str, Float[Array, ""]]


def _nothing(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
    """The ``score`` and ``show`` of a method that has features alone."""
    del params, extra, batch, key
    return {}


class Method(NamedTuple):
    """A self-supervised method.

    Attributes:
      init: ``(key, batch) -> params, extra``. ``batch`` may hold arrays or ShapeDtypeStructs.
      views: ``(key, batch) -> {name: [v, n, ...]}``. What the method looks at, one entry a shape.
      loss: ``(params, extra, views, key, step) -> scalar, (extra, metrics)``.
      update: ``(params, extra, step) -> params, extra``, after the optimiser's update.
      embed: ``(params, extra, batch) -> {"features": [n, d], ...}``. No randomness, and each row
        depends on its own example alone.
      score: ``(params, extra, batch, key) -> {name: [n]}``. Their means over the test set are in
        ``evaluation.json`` as ``test_{name}``.
      show: ``(params, extra, batch, key) -> {title: [n, ...]}``. A few test examples as the method
        makes them, beside each other in the report: pictures ``[n, h, w, c]`` in [0, 1], tokens
        ``[n, t]``.
    """

    init: Callable[[PRNGKeyArray, Batch], tuple[Params, Extra]]
    views: Callable[[PRNGKeyArray, Batch], Views]
    loss: Callable[
        [Params, Extra, Views, PRNGKeyArray, Int[Array, ""]],
        tuple[Float[Array, ""], tuple[Extra, Metrics]],
    ]
    update: Callable[[Params, Extra, Int[Array, ""]], tuple[Params, Extra]]
    embed: Callable[[Params, Extra, Batch], dict[str, Float[Array, "n _"]]]
    score: Callable[[Params, Extra, Batch, PRNGKeyArray], dict[str, Array]] = _nothing
    show: Callable[[Params, Extra, Batch, PRNGKeyArray], dict[str, Array]] = _nothing


def no_update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
    """The ``update`` of a method that keeps nothing beside the gradient."""
    del step
    return params, extra
