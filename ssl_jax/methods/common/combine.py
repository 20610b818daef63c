"""Combines methods into one that trains a single backbone on all of their tasks."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ssl_jax.errors import InputError
from ssl_jax.methods.base import Backbone, Batch, Extra, Method, Metrics, Params, Views


def combine(tasks: Mapping[str, tuple[Method, float]]) -> Method:
    """Combines methods on one shared backbone; see ``methods.pretext.combined``.

    ``loss = sum over tasks of weight * loss of the task``

    The backbone's parameters exist once, as ``params["backbone"]``. ``params["tasks"]`` and
    ``extra`` hold the rest of each method under its name: heads, BatchNorm statistics, teachers,
    queues. Around each of its functions a method finds the shared backbone in its usual place.
    A method's ``update`` may not change the parameters of its backbone.

    Args:
      tasks: methods and their weights, by name. The first one computes the features.

    Returns:
      The method. Its views, metrics and scores are named ``TASK/NAME``.

    Raises:
      InputError: there are no tasks; a method does not say where its backbone is, or asks for
        labels; or, from ``init``, two backbones differ. The message names the task.

    Examples:
      >>> from ssl_jax import config, methods
      >>> rotation, simclr = (methods.make(config.defaults(m)) for m in ("rotation", "simclr"))
      >>> both = methods.combine({"rotation": (rotation, 1.0), "simclr": (simclr, 0.5)})
    """
    if not tasks:
        raise InputError("method.tasks: there are none; expected at least one")
    for name, (method, _) in tasks.items():
        if method.backbone is Method._field_defaults["backbone"]:
            raise InputError(f"method.tasks: {name} does not say where its backbone is")
        if method.inputs is not None:
            asked = ", ".join(method.inputs)
            raise InputError(f"method.tasks: {name} asks for {asked}; expected no labels")
    first, (first_method, _) = next(iter(tasks.items()))

    def whole(name: str, params: Params, extra: Extra) -> tuple[Params, Extra]:
        """Returns a task's own ``params`` and ``extra``."""
        method, own = tasks[name][0], params["tasks"][name]
        return _with_parameters(method, own, extra[name], params["backbone"]), extra[name]

    def init(key: PRNGKeyArray, batch: Batch) -> tuple[Params, Extra]:
        wholes = {name: method.init(own_key, batch) for name, method, own_key in _each(tasks, key)}
        found = {name: tasks[name][0].backbone(*trees) for name, trees in wholes.items()}
        for name, other in found.items():
            if _shapes(other) != _shapes(found[first]):
                raise InputError(
                    f"method.tasks: the backbones of {first} and {name} differ; "
                    "expected the same network"
                )
        own, extra = {}, {}
        for name, (method, _) in tasks.items():
            trees, extra[name] = method.with_backbone(*wholes[name], found[first])
            own[name] = _with_parameters(method, trees, extra[name], {})
        return {"backbone": found[first][0], "tasks": own}, extra

    def views(key: PRNGKeyArray, batch: Batch) -> Views:
        found: Views = {}
        for name, method, own_key in _each(tasks, key):
            found |= _prefixed(name, method.views(own_key, batch))
        return found

    def loss(
        params: Params, extra: Extra, views: Views, key: PRNGKeyArray, step: Int[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Extra, Metrics]]:
        total, new = jnp.float32(0), {}
        metrics: Metrics = {}
        for name, method, own_key in _each(tasks, key):
            trees, own_views = whole(name, params, extra), _of(name, views)
            value, (new[name], own) = method.loss(*trees, own_views, own_key, step)
            total += tasks[name][1] * value
            metrics |= _prefixed(name, {"loss": value} | own)
        return total, (new, metrics)

    def update(params: Params, extra: Extra, step: Int[Array, ""]) -> tuple[Params, Extra]:
        own, new = {}, {}
        for name, (method, _) in tasks.items():
            trees, new[name] = method.update(*whole(name, params, extra), step)
            own[name] = _with_parameters(method, trees, new[name], {})
        return {"backbone": params["backbone"], "tasks": own}, new

    def embed(params: Params, extra: Extra, batch: Batch) -> dict[str, Float[Array, "n ..."]]:
        return first_method.embed(*whole(first, params, extra), batch)

    def score(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for name, method, own_key in _each(tasks, key):
            found |= _prefixed(name, method.score(*whole(name, params, extra), batch, own_key))
        return found

    def show(params: Params, extra: Extra, batch: Batch, key: PRNGKeyArray) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for name, method, own_key in _each(tasks, key):
            own = method.show(*whole(name, params, extra), batch, own_key)
            found |= {f"{name}: {title}": x for title, x in own.items()}
        return found

    def backbone(params: Params, extra: Extra) -> Backbone:
        kept, stats = first_method.backbone(params["tasks"][first], extra[first])
        return kept or params["backbone"], stats  # not empty if it is a teacher's, in extra

    def with_backbone(params: Params, extra: Extra, backbone: Backbone) -> tuple[Params, Extra]:
        new = {
            name: method.with_backbone(*whole(name, params, extra), backbone)[1]
            for name, (method, _) in tasks.items()
        }
        trunk = jax.tree.map(jnp.copy, backbone[0])
        return {"backbone": trunk, "tasks": params["tasks"]}, new

    return Method(init, views, loss, update, embed, score, show, backbone, with_backbone)


def _with_parameters(method: Method, params: Params, extra: Extra, backbone: Any) -> Params:
    """Returns ``params`` with other backbone parameters; ``{}`` leaves their place empty."""
    return method.with_backbone(params, extra, (backbone, {}))[0]


def _each(
    tasks: Mapping[str, tuple[Method, float]], key: PRNGKeyArray
) -> Iterator[tuple[str, Method, PRNGKeyArray]]:
    """Yields each task's name, method and own key."""
    for (name, (method, _)), own in zip(
        tasks.items(), jax.random.split(key, len(tasks)), strict=True
    ):
        yield name, method, own


def _prefixed(task: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{task}/{name}": value for name, value in values.items()}


def _of(task: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what ``_prefixed`` got."""
    start = f"{task}/"
    return {k.removeprefix(start): x for k, x in values.items() if k.startswith(start)}


def _shapes(backbone: Backbone) -> Any:
    return jax.tree.map(lambda x: (x.shape, x.dtype), backbone)
