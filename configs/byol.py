"""BYOL (Grill et al. 2020, https://arxiv.org/abs/2006.07733).

    python experiments/pretrain.py --config configs/byol.py --workdir runs/byol

default: not measured yet.

smoke: 8 steps, for tests.

paper: ImageNet, ResNet-50, batch 4096, LARS, 1000 epochs. Published: 74.3 linear top-1 (Table 1).
Not measured here.
"""

from ml_collections import ConfigDict

from configs import common
from ssl_jax.config import defaults


def get_config(arg: str | None = None) -> ConfigDict:
    """The preset and the changes that ``arg`` names; see ``configs/common.py``."""
    arguments = common.parse(arg)
    config = defaults()
    config.method = ConfigDict(
        {"name": "byol", "momentum": 0.99, "projector": (512, 128), "predictor": (512, 128)}
    )
    config.method.augment = ConfigDict({"area": (0.25, 1.0)})
    common.small_resnet(config)
    config.train.epochs = 38.4
    if arguments.preset == "smoke":
        common.smoke(config)
    elif arguments.preset == "paper":
        _paper(config)
    return common.apply(config, arguments)


def _paper(config: ConfigDict) -> None:
    """Sections 3.2, 3.3 and appendix F."""
    common.imagenet_resnet50(config)
    config.train.epochs = 1000.0
    config.data.batch_size = 4096
    config.optimizer.update(
        {"name": "lars", "learning_rate": 0.2, "weight_decay": 1.5e-6, "warmup": 0.01}
    )
    config.method.update({"momentum": 0.996, "projector": (4096, 256), "predictor": (4096, 256)})
    config.method.augment.update({"area": (0.08, 1.0)})
