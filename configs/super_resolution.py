"""Super-resolution (Dong et al. 2015, https://arxiv.org/abs/1501.00092).

    python experiments/pretrain.py --config configs/super_resolution.py --workdir runs/super

default: 10,000 Fashion-MNIST images, painted from 7 x 7 pixels, a small ResNet, 20 epochs of
batches of 128; 3 minutes on 2 CPU cores. --config.method.factor=2 paints from 14 x 14.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 84.5 / 82.7 / 84.1
    linear 85.5 / 84.7 / 85.0
    10 per class 69.6 / 69.0 / 72.0
    its own task: PSNR 20.6, bicubic 16.0
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, AdamW; docs/presets.md. On an H200: 68 ms per step, 13 GiB; scores
not measured.
paper: ImageNet, as in the paper's largest experiments, four times enlarged, but with a ResNet-50 in
place of the paper's three convolutions, since those make no features. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("super_resolution", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.method.update({"factor": 4, "decoder": (64, 32, 16)})
    config.train.epochs = 20.0


def _gpu(config: ConfigDict) -> None:
    common.gpu_resnet(config, pool="grid")
    small = (64, 32, 16)
    config.method.decoder = small if common.is_small(config) else (64, 64, 64, *small)
    config.method.factor = 4


def _paper(config: ConfigDict) -> None:
    common.imagenet_resnet50(config)
    config.network.pool = "grid"
    config.method.update({"factor": 4, "decoder": (64, 64, 64, 64, 32, 16)})
    config.data.batch_size = 256
    config.train.epochs = 100.0
