"""MoCo v2 (Chen et al. 2020, https://arxiv.org/abs/2003.04297).

    python experiments/pretrain.py --config configs/moco.py --workdir runs/moco

default: 10,000 Fashion-MNIST images, a small ResNet, 38.4 epochs of batches of 128, a queue of
1,024; 4 minutes on 2 CPU cores.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 87.0 / 82.0 / 84.1
    linear 88.5 / 85.0 / 85.0
    10 per class 75.5 / 69.0 / 72.0
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, SGD; docs/presets.md. On an H200: 59 ms per step, 12 GiB; scores
not measured.
paper: ImageNet, ResNet-50, batch size 256, SGD, 800 epochs. Published: 71.1 linear top-1 (Table 2).
Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("moco", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.method.update(
        {"temperature": 0.1, "momentum": 0.99, "queue": 1024, "projector": (512, 128)}
        | {"groups": 1}
    )
    config.method.augment.update({"area": (0.25, 1.0), "strength": 0.75, "blur": 0.0})
    config.train.epochs = 38.4


def _gpu(config: ConfigDict) -> None:
    """The published rate, which is for this batch size; a queue of 16 batches for small images."""
    common.gpu_resnet(config)
    if common.is_small(config):
        config.method.queue = 4096
        config.method.augment.blur = 0.0
    _sgd(config)


def _paper(config: ConfigDict) -> None:
    """Sections 2 and 3: the learning rate decays along a cosine, without warm-up."""
    common.imagenet_resnet50(config)
    config.train.epochs = 800.0
    _sgd(config)


def _sgd(config: ConfigDict) -> None:
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 0.03, "weight_decay": 1e-4, "warmup": 0.0}
        | {"weight_decay_of": "all"}
    )
