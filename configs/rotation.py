"""Rotation (Gidaris et al. 2018, https://arxiv.org/abs/1803.07728).

    python experiments/pretrain.py --config configs/rotation.py --workdir runs/rotation

default: not measured yet.

smoke: 8 steps, for tests.

paper: ImageNet, ResNet-50, batch 192, SGD, 35 epochs, as in Kolesnikov et al. 2019
(https://arxiv.org/abs/1901.09005). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common
from ssl_jax.config import defaults


def get_config(arg: str | None = None) -> ConfigDict:
    """The preset and the changes that ``arg`` names; see ``configs/common.py``."""
    arguments = common.parse(arg)
    config = defaults()
    config.method = ConfigDict({"name": "rotation", "area": (0.5, 1.0)})
    common.small_resnet(config)
    config.evaluation.probe_layers = ("stage1", "stage2", "stage3")
    config.train.epochs = 20.0
    if arguments.preset == "smoke":
        common.smoke(config)
    elif arguments.preset == "paper":
        _paper(config)
    return common.apply(config, arguments)


def _paper(config: ConfigDict) -> None:
    """Kolesnikov et al., section 3.3 (of batches, rates and epochs)."""
    common.imagenet_resnet50(config)
    config.train.epochs = 35.0
    config.data.batch_size = 192
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4, "warmup": 0.14}
    )
    config.method.area = (0.08, 1.0)
    config.evaluation.probe_layers = ("stage1", "stage2", "stage3", "stage4")
