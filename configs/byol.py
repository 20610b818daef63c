"""BYOL (Grill et al. 2020, https://arxiv.org/abs/2006.07733).

    python experiments/pretrain.py --config configs/byol.py --workdir runs/byol

default: 10,000 Fashion-MNIST images, a small ResNet, 38.4 epochs of batches of 128; 6 minutes on
2 CPU cores.
Scores (docs/results.md), seeds 0, 1, 2: mean ± standard deviation:
    learned / untrained / raw pixels
    kNN 85.8 ± 0.5 / 83.3 / 84.1
    linear 87.5 ± 0.6 / 84.8 / 85.0
    10 per class 74.7 ± 0.8 / 69.2 / 72.0
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, LARS with the authors' rate for 100 epochs; docs/presets.md. On an
H200: 100 ms per step, 21 GiB; scores not measured.
paper: ImageNet, ResNet-50, batch size 4096, LARS, 1000 epochs. Published: 74.3 linear top-1
(Table 1). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("byol", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.method.update({"momentum": 0.99, "projector": (512, 128), "predictor": (512,)})
    config.method.augment.area = (0.25, 1.0)
    config.train.epochs = 38.4


def _gpu(config: ConfigDict) -> None:
    """The presets of the authors' byol/configs/byol.py for 100 epochs."""
    common.gpu_resnet(config)
    config.network.zero_residual = True
    config.method.momentum = 0.99
    config.method.augment.interpolation = "bicubic"
    config.optimizer.update(
        {"name": "lars", "learning_rate": 0.45, "weight_decay": 1e-6, "warmup": 0.1}
    )


def _paper(config: ConfigDict) -> None:
    """Sections 3.2, 3.3 and appendix F."""
    common.imagenet_resnet50(config)
    config.network.zero_residual = True
    config.method.augment.interpolation = "bicubic"
    config.train.epochs = 1000.0
    config.data.batch_size = 4096
    config.optimizer.update(
        {"name": "lars", "learning_rate": 0.2, "weight_decay": 1.5e-6, "warmup": 0.01}
    )
