"""Corruption (Jenni & Favaro 2018, https://arxiv.org/abs/1806.05024).

    python experiments/pretrain.py --config configs/corruption.py --workdir runs/corruption

default: 10,000 Fashion-MNIST images, clean or corrupted in one of five ways, a small ResNet, 40
epochs of batches of 128; 4 minutes on 2 CPU cores. ``--config.method.binary=True`` only asks
whether they are corrupted.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 83.0 / 82.7 / 84.1
    linear 85.0 / 84.0 / 85.0
    10 per class 68.0 / 68.9 / 72.0
    its own task: accuracy 92.7 %, chance 16.7 %
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, SGD; docs/presets.md. On an H200: 42 ms per step, 11 GiB; scores
not measured.
paper: ImageNet, ResNet-50, with the batch size, optimizer and epochs of ``configs/rotation.py``;
the task in this form has no published setting. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("corruption", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.method.area = (0.5, 1.0)
    config.evaluation.probe_layers = ("stage1", "stage2", "stage3")
    config.train.epochs = 40.0


def _gpu(config: ConfigDict) -> None:
    common.gpu_pretext(config)
    if common.is_small(config):
        config.method.area = (0.5, 1.0)
    config.evaluation.probe_layers = ("stage1", "stage2", "stage3", "stage4")


def _paper(config: ConfigDict) -> None:
    common.kolesnikov(config)
    config.data.batch_size = 192
    config.evaluation.probe_layers = ("stage1", "stage2", "stage3", "stage4")
