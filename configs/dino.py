"""DINO (Caron et al. 2021, https://arxiv.org/abs/2104.14294).

    python experiments/pretrain.py --config configs/dino.py --workdir runs/dino

default: 10,000 Fashion-MNIST images, a small ViT with patches of 7 x 7, 8 epochs of batches of 64;
5 minutes on 2 CPU cores. For images of another size, set ``--config.network.patch_size`` to a
divisor of their side and ``--config.method.augment.small_size`` to a multiple of the patch size.
Scores (docs/results.md), seeds 0, 1, 2: mean ± standard deviation:
    learned / untrained / raw pixels
    kNN 85.5 ± 0.6 / 84.4 / 84.1
    linear 87.3 ± 0.2 / 84.6 / 85.0
    10 per class 74.1 ± 0.1 / 72.0 / 72.0
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ViT-S/16, the authors' command for 100 epochs; docs/presets.md. On an H200:
152 ms per step, 43 GiB; scores not measured.
paper: the authors' command for ViT-S/16 on ImageNet, batch size 1024, AdamW, 300 epochs. Published
for it: 73.3 kNN and 76.0 linear top-1 (their README), the latter on the last four blocks, as here.
Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("dino", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_vit(config)
    _decay(config)
    config.evaluation.layers = ("block4",)
    config.optimizer.learning_rate = 4e-3
    config.data.batch_size = 64
    config.method.update(
        {
            "head": (256, 64),
            "prototypes": 1024,
            "teacher_temperature": 0.04,
            "frozen": 0.03,
            "momentum": 0.99,
            "local_views": 2,
        }
    )
    config.method.augment.update({"area": (0.4, 1.0), "small_size": 14, "small_area": (0.1, 0.4)})
    config.train.epochs = 8.0


def _gpu(config: ConfigDict) -> None:
    """The vanilla command of the authors' README, for 100 epochs, on ViT-S."""
    common.gpu_vit(config)
    _decay(config)
    config.evaluation.linear_layers = ("last4",)
    config.method.update({"drop_path": 0.1, "frozen": 0.01})
    config.method.update({"teacher_temperature": 0.04, "teacher_temperature_start": 0.04})
    side, patch = config.data.image_size, config.network.patch_size
    small = patch * round(side * 3 / 7 / patch)
    config.method.augment.update({"interpolation": "bicubic", "small_size": small})
    config.optimizer.update({"learning_rate": 5e-4, "learning_rate_end": 1e-6, "warmup": 0.1})


def _paper(config: ConfigDict) -> None:
    """The boosted command of the authors' README, with the defaults of main_dino.py."""
    common.imagenet_vit(config)
    _decay(config)
    config.network.name = "vit_small"
    config.evaluation.linear_layers = ("last4",)
    config.train.epochs = 300.0
    config.data.batch_size = 1024
    config.method.update({"scaled": True, "drop_path": 0.1})
    config.method.augment.interpolation = "bicubic"
    config.optimizer.update({"learning_rate": 5e-4, "learning_rate_end": 1e-6, "warmup": 10 / 300})


def _decay(config: ConfigDict) -> None:
    config.optimizer.update({"weight_decay": 0.04, "weight_decay_end": 0.4, "clip_norm": 3.0})
