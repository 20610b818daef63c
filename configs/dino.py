"""DINO (Caron et al. 2021, https://arxiv.org/abs/2104.14294).

    python experiments/pretrain.py --config configs/dino.py --workdir runs/dino

default: not measured yet.

smoke: 8 steps, for tests.

paper: ImageNet, ViT-S/16, batch 1024, AdamW, 300 epochs. Published: 74.5 kNN and 77.0 linear top-1
(800 epochs, Table 2). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common
from ssl_jax.config import defaults


def get_config(arg: str | None = None) -> ConfigDict:
    """The preset and the changes that ``arg`` names; see ``configs/common.py``."""
    arguments = common.parse(arg)
    config = defaults()
    config.method = ConfigDict(
        {
            "name": "dino",
            "head": (256, 64),
            "prototypes": 1024,
            "student_temperature": 0.1,
            "teacher_temperature": 0.04,
            "teacher_temperature_start": 0.04,
            "warmup": 0.1,
            "frozen": 0.03,
            "momentum": 0.99,
            "center_momentum": 0.9,
            "local_views": 2,
        }
    )
    config.method.augment = ConfigDict(
        {"area": (0.4, 1.0), "small_size": 14, "small_area": (0.1, 0.4)}
    )
    common.small_vit(config)
    config.evaluation.layers = ("block4",)
    config.optimizer.update({"weight_decay": 0.04, "weight_decay_end": 0.4, "clip_norm": 3.0})
    config.optimizer.learning_rate = 4e-3
    config.data.batch_size = 64
    config.train.epochs = 8.0
    return common.finish(config, arguments, paper=_paper)


def _paper(config: ConfigDict) -> None:
    """Section 3.2 and appendices; the authors' arguments for ViT-S/16, 300 epochs."""
    common.imagenet_vit(config)
    config.network.name = "vit_small"
    config.train.epochs = 300.0
    config.data.batch_size = 1024
    config.optimizer.update(
        {"learning_rate": 5e-4, "betas": (0.9, 0.999), "warmup": 1 / 30, "clip_norm": 3.0}
    )
    config.method.update(
        {
            "head": (2048, 2048, 256),
            "prototypes": 65_536,
            "teacher_temperature": 0.07,
            "warmup": 0.1,
            "frozen": 1 / 300,
            "momentum": 0.996,
            "local_views": 8,
        }
    )
    config.method.augment.update(
        {"area": (0.25, 1.0), "small_size": 96, "small_area": (0.05, 0.25)}
    )
