"""Several tasks at once: one backbone, a head for each task, and the sum of their losses.

Doersch, Zisserman, Multi-task Self-Supervised Visual Learning, 2017,
https://arxiv.org/abs/1708.07860, the shared trunk with a head for each task (figure 1a):

    loss = sum over tasks t of w_t L_t(f, h_t)

``f`` is the backbone, whose gradient is the sum over all tasks; ``h_t`` is everything else that a
task has. ``methods.combine`` does this for any methods, of one's own too; here the tasks are
``method.tasks``, their weights ``method.weights``, and each has its settings in a block of its
name, such as ``method.rotation.area``. Features are those of the first task.

Deviations: every step trains all tasks, each on views of its own of the same batch. The whole
backbone is shared; the authors share a ResNet-101 up to its third block. Their lasso, by which each
task chooses among layers, and their harmonization of the tasks' inputs are left out. A task's
BatchNorm sees its own views and keeps running statistics of its own, since the images of one task
(rotated, with a hole, in gray) differ from those of another; the checkpoint that the authors
published (https://github.com/deepmind/multiself) has one set of statistics. Run by
``configs/combined.py``.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from ssl_jax import methods, settings
from ssl_jax.errors import InputError
from ssl_jax.methods.base import Method

SETTINGS = {
    "tasks": settings.several(
        ("rotation", "context_encoder"),
        "the methods to combine; the settings of each are in a block of its name",
        [name for name in methods.MODULES if name != "combined"],
    ),
    "weights": settings.numbers((1.0, 1.0), "weight of each task's loss", at_least=0),
}


def further_settings(block: Mapping[str, Any]) -> dict[str, settings.Setting]:
    """Returns the settings of the tasks, such as ``rotation.area``.

    Args:
      block: ``config.method``.

    Raises:
      InputError: ``tasks`` are not accepted.
    """
    tasks = block.get("tasks", SETTINGS["tasks"].default)
    settings.check_value("method.tasks", tasks, SETTINGS["tasks"])
    return {
        f"{task}.{name}": setting
        for task in tasks
        for name, setting in methods.settings_of(task).items()
    }


def make(config: ConfigDict) -> Method:
    """Builds a combination of tasks from a config.

    Args:
      config: ``method``, whose ``SETTINGS`` are above, and what the tasks read.

    Returns:
      The method; see ``methods.combine``.

    Raises:
      InputError: the weights are not one per task, a task cannot be built or combined.
    """
    tasks, weights = config.method.tasks, config.method.weights
    if len(weights) != len(tasks):
        raise InputError(
            f"method.weights: {weights}; expected one number for each of {', '.join(tasks)}"
        )
    made = {task: (_make(task, config), w) for task, w in zip(tasks, weights, strict=True)}
    return methods.combine(made)


def _make(task: str, config: ConfigDict) -> Method:
    """Builds one of the tasks, whose settings are in the block of its name."""
    changed = ConfigDict(config.to_dict())
    changed.method = ConfigDict({"name": task} | config.method[task].to_dict())
    try:
        return methods.make(changed)
    except InputError as error:
        raise InputError(str(error).replace("method.", f"method.{task}.")) from error
