"""The contract: a method is a few pure functions, the same for every modality.

The step, the loop, checkpoints and the evaluation know a method only through these. The rules for
the author of a method:

* Parameters, and everything else that is kept from one step to the next (``extra``: BatchNorm
  statistics, an EMA teacher, a queue, a center, counters), are pytrees of arrays in plain
  dictionaries. An array that starts equal to another is a real copy (``jnp.copy``): a step donates
  the buffers of its input, and no buffer can be donated twice.
* No function closes over an array on a device: such arrays belong in ``params`` or ``extra``, and
  constants are NumPy arrays. Otherwise the array becomes a constant of the compiled program.
* Randomness comes only from the key, into which the training step folds its number.
* Batches and views are dictionaries. Only the data, the method and the report section know their
  entries. Views of one shape are stacked on a leading axis, ``[v, n, ...]``, and never concatenated
  along ``n``: with a batch sharded over devices, stacking moves nothing between them. Masks, labels
  and orders that a method draws are views too, ``[1, n, ...]``.
* Losses are written for the global batch. Nothing in a method knows about devices.
* A network gets ``config.train.microbatches`` through ``from_module``, and is applied to views with
  ``apply_views``, so that a batch can be cut into slices without the loss noticing.
* ``stop_gradient`` is applied where the paper applies it. ``update`` runs after the optimizer.
* Schedules are functions of ``step`` and ``config.train.steps``. The optimizer's schedules,
  clipping, and separate optimizers for parts of ``params`` belong to ``config.optimizer``, which
  names such a part by its key in ``params``.
* Metrics are plotted as curves. The verdict on collapse reads those of ``methods.common.vitals``.
* A method that can do more than compute features (find a rotation, predict a word, fill a hole)
  reports it through ``score``, one number per example, and ``show``. Both run on held-out data.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int, PRNGKeyArray

from ssl_jax.errors import InputError

Params = Any
Extra = Any
Batch = dict[str, Any]
Views = dict[str, Any]
Metrics = dict[str, Float[Array, ""]]
Backbone = tuple[Any, Any]


def _nothing(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
    """The ``score`` and ``show`` of a method that only computes features."""
    del params, extra, batch, key
    return {}


def _no_backbone(*arguments: Any) -> Any:
    """The ``backbone`` and ``with_backbone`` of a method that does not define them."""
    del arguments
    raise InputError(
        "init_from: the method does not say where its backbone is; "
        "expected Method.backbone and Method.with_backbone"
    )


class Method(NamedTuple):
    """A self-supervised method.

    Attributes:
      init: ``(key, batch) -> params, extra``. ``batch`` may hold arrays or ShapeDtypeStructs.
      views: ``(key, batch) -> {name: [v, n, ...]}``: what the networks see, one entry per shape.
      loss: ``(params, extra, views, key, step) -> scalar, (extra, metrics)``.
      update: ``(params, extra, step) -> params, extra``, after the optimizer's update.
      embed: ``(params, extra, batch) -> {"features": [n, d], ...}``. No randomness, and each row
        depends on its own example only. Probes can read any layer ``[n, d]``; one with more axes,
        such as the backbones' ``patches`` ``[n, t, d]``, is for other uses.
      score: ``(params, extra, batch, key) -> {name: [n]}``. Their means over the test set are in
        ``evaluation.json`` as ``test_{name}``.
      show: ``(params, extra, batch, key) -> {title: [n, ...]}``. The method's output for a few test
        examples, shown in the report: pictures ``[n, h, w, c]`` in [0, 1], tokens ``[n, t]``.
      backbone: ``(params, extra) -> params, stats``: parameters and BatchNorm statistics of the
        encoder that is kept (the teacher's in DINO).
      with_backbone: ``(params, extra, backbone) -> params, extra``: replaces the backbone and every
        copy of it, such as a teacher's.
      inputs: the entries of a training batch that the method asks for, such as
        ``("image", "label")``; None stands for all but the labels.
      predict: ``(params, extra, batch) -> [n, k]``: logits of the classes
        ``config.method.classes``, of a method that learns them; None for the others.
    """

    init: Callable[[PRNGKeyArray, Batch], tuple[Params, Extra]]
    views: Callable[[PRNGKeyArray, Batch], Views]
    loss: Callable[
        [Params, Extra, Views, PRNGKeyArray, Int[Array, ""]],
        tuple[Float[Array, ""], tuple[Extra, Metrics]],
    ]
    update: Callable[[Params, Extra, Int[Array, ""]], tuple[Params, Extra]]
    embed: Callable[[Params, Extra, Batch], dict[str, Float[Array, "n ..."]]]
    score: Callable[[Params, Extra, Batch, PRNGKeyArray], dict[str, Array]] = _nothing
    show: Callable[[Params, Extra, Batch, PRNGKeyArray], dict[str, Array]] = _nothing
    backbone: Callable[[Params, Extra], Backbone] = _no_backbone
    with_backbone: Callable[[Params, Extra, Backbone], tuple[Params, Extra]] = _no_backbone
    inputs: tuple[str, ...] | None = None
    predict: Callable[[Params, Extra, Batch], Float[Array, "n k"]] | None = None


def no_update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
    """The ``update`` of a method that has nothing to do after the optimizer."""
    del step
    return params, extra
