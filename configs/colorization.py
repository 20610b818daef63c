"""Colorization (Zhang et al. 2016, https://arxiv.org/abs/1603.08511).

    python experiments/pretrain.py --config configs/colorization.py --workdir runs/colorization

default: 14,404 color tiles of 32 x 32 pixels, cut from 55 photographs; a small ResNet, colors on a
map of 8 x 8, 5 epochs of batches of 128; 2 minutes on 2 CPU cores. Tiles have no labels:
``python experiments/evaluate.py --workdir runs/colorization --data stamps`` scores the features.
Scores (docs/results.md), seed 0, on stamps:
    learned / untrained / raw pixels
    kNN 54.6 / 55.1 / 42.9
    linear 56.1 / 54.1 / 47.3
    10 per class 44.3 / 40.0 / 24.2
    its own task: error 34.1, no color 43.5
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, Adam; docs/presets.md. On an H200: 95 ms per step, 16 GiB; scores
not measured.
paper: the optimizer, the batch size of 40 and the 16 epochs of the authors' code, on ImageNet. A
ResNet-50 on 256 x 256 pixels replaces their VGG on crops of 176 x 176. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build(
        "colorization", arg, default=_default, gpu=_gpu, paper=_paper, data="photo_tiles_mini"
    )


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.method.decoder = (64, 64)
    config.train.epochs = 5.0


def _gpu(config: ConfigDict) -> None:
    """The code's rate, scaled by the batch size, over 100 epochs."""
    common.gpu_resnet(config, pool="grid")
    if common.is_small(config):
        config.method.decoder = (64, 64)
    _adam(config)


def _paper(config: ConfigDict) -> None:
    """The code's solver: Adam with 3e-5 at batch size 40; here weight decay is decoupled."""
    common.imagenet_resnet50(config)
    config.network.pool = "grid"
    config.data.update({"image_size": 256, "batch_size": 40})
    config.train.epochs = 15.6
    _adam(config)


def _adam(config: ConfigDict) -> None:
    config.optimizer.update(
        {"learning_rate": 1.92e-4, "weight_decay": 1e-3, "betas": (0.9, 0.99)}
        | {"schedule": "steps", "drops": (0.45, 0.9), "warmup": 0.0}
    )
