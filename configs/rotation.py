"""Rotation (Gidaris et al. 2018, https://arxiv.org/abs/1803.07728).

    python experiments/pretrain.py --config configs/rotation.py --workdir runs/rotation

default: 10,000 Fashion-MNIST images, each in all four rotations, a small ResNet, 20 epochs of
batches of 128; 5 minutes on 2 CPU cores. ``--config.method.ways=2`` or ``8`` compares two and eight
rotations.
Scores (docs/results.md), seeds 0, 1, 2: mean ± standard deviation:
    learned / untrained / raw pixels
    kNN 86.0 ± 0.7 / 83.1 / 84.1
    linear 87.5 ± 0.3 / 84.4 / 85.0
    10 per class 75.4 ± 0.6 / 69.3 / 72.0
    its own task, seed 0: accuracy 96.3 %, chance 25.0 %
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, SGD; docs/presets.md. On an H200: 135 ms per step, 41 GiB; scores
not measured.
paper: ImageNet, ResNet-50 (their code: a wide RevNet-50), SGD, 35 epochs, as in Kolesnikov et al.
2019 (https://arxiv.org/abs/1901.09005); the batch size of 192 is that of the authors' AlexNet. Not
measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("rotation", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.method.area = (0.5, 1.0)
    config.evaluation.probe_layers = ("stage1", "stage2", "stage3")
    config.train.epochs = 20.0


def _gpu(config: ConfigDict) -> None:
    common.gpu_pretext(config)
    config.method.area = (0.5, 1.0) if common.is_small(config) else (0.05, 1.0)
    config.evaluation.probe_layers = ("stage1", "stage2", "stage3", "stage4")


def _paper(config: ConfigDict) -> None:
    """Kolesnikov et al.'s config/rotation/imagenet.sh, except for batch size and network."""
    common.kolesnikov(config)
    config.data.batch_size = 192
    config.method.update({"area": (0.05, 1.0), "color": True})
    config.evaluation.probe_layers = ("stage1", "stage2", "stage3", "stage4")
