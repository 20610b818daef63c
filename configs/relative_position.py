"""Relative position (Doersch et al. 2015, https://arxiv.org/abs/1505.05192).

    python experiments/pretrain.py --config configs/relative_position.py --workdir runs/position

default: 10,000 Fashion-MNIST images, nine patches of 7 x 7 pixels from each, a small ResNet with a
stem of stride 1, 20 epochs of batches of 128; 3 minutes on 2 CPU cores.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 84.7 / 82.4 / 84.1
    linear 88.8 / 86.4 / 85.0
    10 per class 73.6 / 69.7 / 72.0
    its own task: accuracy 73.0 %, chance 12.5 %
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, SGD, patches of 48 pixels; docs/presets.md. On an H200: 28 ms per
step, 6 GiB; scores not measured.
paper: patches of 96 x 96 pixels, 48 apart, from ImageNet at 448 x 448, whose number of pixels lies
in the authors' range; ResNet-50 in place of CaffeNet, trained as in Kolesnikov et al. 2019
(https://arxiv.org/abs/1901.09005): batch size 128, SGD, 35 epochs. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("relative_position", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.network.stem = "small"
    config.method.update({"tile": 7, "gap": 2, "jitter": 1, "code": 128, "hidden": (256,)})
    config.train.epochs = 20.0


def _gpu(config: ConfigDict) -> None:
    """The authors' patches, scaled to the image: of 224 pixels, 48 and gaps of 24."""
    common.gpu_pretext(config)
    if common.is_small(config):
        config.method.update({"tile": 7, "gap": 2, "jitter": 1})
    else:
        tile = round(config.data.image_size * 3 / 14)
        config.method.update({"tile": tile, "gap": tile // 2, "jitter": tile // 16})


def _paper(config: ConfigDict) -> None:
    """Geometry and head of the authors' code; Kolesnikov et al.'s schedule."""
    common.kolesnikov(config)
    config.data.update({"image_size": 448, "stored_size": 512, "batch_size": 128})
