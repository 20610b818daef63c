"""Jigsaw (Noroozi & Favaro 2016, https://arxiv.org/abs/1603.09246).

    python experiments/pretrain.py --config configs/jigsaw.py --workdir runs/jigsaw

default: 10,000 Fashion-MNIST images, nine tiles of 7 x 7 pixels from each, 4 puzzles per image and
step out of 100, a small ResNet with a stem of stride 1, 20 epochs of batches of 128; 3 minutes on
2 CPU cores.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 85.3 / 82.4 / 84.1
    linear 88.4 / 86.4 / 85.0
    10 per class 73.5 / 69.7 / 72.0
    its own task: accuracy 98.2 %, chance 1.0 %
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, SGD, tiles of 56 pixels; docs/presets.md. On an H200: about 31 ms
per step, 7 GiB; scores not measured.
paper: tiles of 64 x 64 pixels from cells of 85 x 85, ImageNet at 256 x 256, 100 permutations;
ResNet-50 in place of AlexNet, trained as in Kolesnikov et al. 2019
(https://arxiv.org/abs/1901.09005): batch size 128, SGD, 35 epochs. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("jigsaw", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.network.stem = "small"
    config.method.update({"tile": 7, "gap": 2, "jitter": 1, "channel_jitter": 0})
    config.method.update({"puzzles": 4, "code": 64, "hidden": (256,)})
    config.train.epochs = 20.0


def _gpu(config: ConfigDict) -> None:
    """The authors' tiles, scaled to the image: of 224 pixels, 56 in cells of 74."""
    common.gpu_pretext(config)
    if common.is_small(config):
        config.method.update({"tile": 7, "gap": 2, "jitter": 1, "channel_jitter": 0})
    else:
        side = config.data.image_size
        gap, jitter = round(side * 21 / 256), round(side * 9 / 256)
        config.method.update({"tile": side // 4, "gap": gap, "jitter": jitter})
        config.method.update({"channel_jitter": 1, "gray": 0.5})


def _paper(config: ConfigDict) -> None:
    """Geometry and number of permutations of the authors' code; Kolesnikov et al.'s schedule."""
    common.kolesnikov(config)
    config.data.update({"image_size": 256, "batch_size": 128})
    config.method.update({"jitter": 9, "channel_jitter": 1, "gray": 0.5})
