"""SimCLR (Chen et al. 2020, https://arxiv.org/abs/2002.05709).

    python experiments/pretrain.py --config configs/simclr.py --workdir runs/simclr

default: 10,000 Fashion-MNIST images, a small ResNet, 25.6 epochs of batches of 128 (2,000 steps); 4
minutes on 2 CPU cores.
Scores (docs/results.md), seeds 0, 1, 2: mean ± standard deviation:
    learned / untrained / raw pixels
    kNN 87.0 ± 0.5 / 83.3 / 84.1
    linear 88.4 ± 0.3 / 84.8 / 85.0
    10 per class 75.7 ± 0.5 / 69.3 / 72.0
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, LARS with the authors' rate for small batches; docs/presets.md. On
an H200: 76 ms per step, 20 GiB; scores not measured.
paper: ImageNet, ResNet-50, batch size 4096, LARS, 1000 epochs. Published: 69.1 linear top-1 (the
authors' code). ``paper,data=cifar10``: ResNet-18 with a 3x3 stem, batch size 512, temperature .5,
no blur. Published: about 91 linear top-1 (the authors' code). Neither was measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    paper = _paper_cifar if common.is_cifar(arg) else _paper
    return common.build("simclr", arg, default=_default, gpu=_gpu, paper=paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.method.update({"projector": (512, 128), "output_norm": False})
    config.method.augment.update({"area": (0.25, 1.0), "strength": 0.75, "blur": 0.0})
    config.train.epochs = 25.6


def _gpu(config: ConfigDict) -> None:
    """The authors' command for 100 epochs: a rate of .075 x the square root of the batch size."""
    if common.is_small(config):
        _cifar(config)
    else:
        common.gpu_resnet(config)
        config.network.zero_residual = True
        config.method.augment.interpolation = "bicubic"
    config.optimizer.update(
        {"name": "lars", "learning_rate": 1.2, "weight_decay": 1e-4, "warmup": 0.1}
    )


def _paper(config: ConfigDict) -> None:
    """Section 4.2; the learning rate is 0.3 x batch size / 256."""
    common.imagenet_resnet50(config)
    config.network.zero_residual = True
    config.method.augment.interpolation = "bicubic"
    config.train.epochs = 1000.0
    config.data.batch_size = 4096
    config.optimizer.update(
        {"name": "lars", "learning_rate": 0.3, "weight_decay": 1e-6, "warmup": 0.01}
    )


def _paper_cifar(config: ConfigDict) -> None:
    """Appendix B.9, and the command in the authors' README."""
    config.train.update({"epochs": 1000.0, "log_every": 50, "checkpoint_every": 2000})
    config.data.batch_size = 512
    _cifar(config)
    config.optimizer.update(
        {"name": "lars", "learning_rate": 1.0, "weight_decay": 1e-4, "warmup": 0.01}
    )


def _cifar(config: ConfigDict) -> None:
    config.network.update(
        {"name": "resnet18", "stem": "small", "pool": "mean", "zero_residual": True}
    )
    config.method.update({"temperature": 0.5, "projector": (512, 512, 128)})
    config.method.augment.update({"strength": 0.5, "blur": 0.0, "interpolation": "bicubic"})
