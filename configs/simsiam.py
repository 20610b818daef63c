"""SimSiam (Chen & He 2021, https://arxiv.org/abs/2011.10566).

    python experiments/pretrain.py --config configs/simsiam.py --workdir runs/simsiam

default: 10,000 Fashion-MNIST images, a small ResNet, 38.4 epochs of batches of 128; 6 minutes on
2 CPU cores.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 85.0 / 83.2 / 84.1
    linear 88.1 / 84.5 / 85.0
    10 per class 75.4 / 69.0 / 72.0
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, SGD; docs/presets.md. On an H200: 77 ms per step, 21 GiB; scores
not measured.
paper: ImageNet, ResNet-50, batch size 512, SGD, 100 epochs. Published: 68.1 linear top-1 (Table 4).
Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("simsiam", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    _constant_predictor(config)
    config.method.update({"projector": (512, 512, 512), "predictor": (128,)})
    config.method.augment.update({"area": (0.25, 1.0), "strength": 0.75, "blur": 0.0})
    config.train.epochs = 38.4


def _gpu(config: ConfigDict) -> None:
    """Section 3, whose rate follows the batch size."""
    common.gpu_resnet(config)
    config.network.zero_residual = True
    if common.is_small(config):
        config.method.augment.blur = 0.0
    _sgd(config)


def _paper(config: ConfigDict) -> None:
    """Section 3, with MoCo v2's augmentations; learning rate .05 x batch size / 256, no warm-up."""
    common.imagenet_resnet50(config)
    config.network.zero_residual = True
    config.train.epochs = 100.0
    config.data.batch_size = 512
    _sgd(config)


def _sgd(config: ConfigDict) -> None:
    _constant_predictor(config)
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 0.05, "weight_decay": 1e-4, "warmup": 0.0}
        | {"weight_decay_of": "all"}
    )


def _constant_predictor(config: ConfigDict) -> None:
    """Keeps the learning rate of the predictor constant."""
    config.optimizer.groups.predictor = ConfigDict({"schedule": "constant"})
