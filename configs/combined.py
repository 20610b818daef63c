"""Several tasks at once (Doersch & Zisserman 2017, https://arxiv.org/abs/1708.07860).

    python experiments/pretrain.py --config configs/combined.py --workdir runs/combined

``tasks=rotation+simclr`` after the colon names the tasks. Each has the settings of its own config
(``--config.method.rotation.area=...``); the network, the data and the optimizer are the first
one's.

default: rotation and the context encoder, weighted alike, on 10,000 Fashion-MNIST images, a small
ResNet, 20 epochs of batches of 128; 6 minutes on 2 CPU cores.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 86.0 / 81.6 / 84.1
    linear 87.8 / 85.4 / 85.0
    10 per class 75.2 / 68.9 / 72.0
    its own task: rotation's accuracy 96.6 %, chance 25.0 %
    its own task: hole's PSNR 15.2, mean of what is visible 8.30
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, the first task's; docs/presets.md. Not measured.
paper: relative position and colorization, two of the paper's four tasks, on ImageNet with
ResNet-50. The other two are exemplar and motion segmentation, and its network is ResNet-101. Not
measured here.
"""

from functools import partial
from importlib import import_module

from ml_collections import ConfigDict

from configs import common
from ssl_jax import settings
from ssl_jax.methods import settings_of

_FURTHER = {"tasks": lambda text: tuple(text.split("+"))}
_PUBLISHED = ("relative_position", "colorization")
_BLOCKS = ("data", "network", "optimizer", "train", "evaluation")


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    declared = settings_of("combined")["tasks"]
    preset, values = common.parse(arg, _FURTHER)
    tasks = values.get("tasks", _PUBLISHED if preset == "paper" else declared.default)
    settings.check_value("method.tasks", tasks, declared)
    return common.build(
        "combined",
        arg,
        default=partial(_default, tasks),
        gpu=partial(_gpu, tasks),
        paper=partial(_paper, tasks),
        further=_FURTHER,
    )


def _default(tasks: tuple[str, ...], config: ConfigDict) -> None:
    _combine(tasks, "default", config)
    config.train.epochs = 20.0


def _gpu(tasks: tuple[str, ...], config: ConfigDict) -> None:
    _combine(tasks, f"gpu,size={config.data.image_size}", config)
    config.network.pool = "grid"


def _paper(tasks: tuple[str, ...], config: ConfigDict) -> None:
    _combine(tasks, "paper", config)
    config.network.pool = "grid"


def _combine(tasks: tuple[str, ...], preset: str, config: ConfigDict) -> None:
    """Takes the settings of each task from its own config."""
    own = {task: import_module(f"configs.{task}").get_config(preset) for task in tasks}
    for block in _BLOCKS:
        config[block].update(own[tasks[0]][block].to_dict())
    config.method = ConfigDict({"name": "combined", "tasks": tasks})
    config.method.weights = (1.0,) * len(tasks)
    for task, one in own.items():
        block = one.unlock().method
        del block.name
        config.method[task] = block
        config.optimizer.groups.update(one.optimizer.groups.to_dict())
