"""Jigsaw (Noroozi & Favaro 2016, https://arxiv.org/abs/1603.09246).

    python experiments/pretrain.py --config configs/jigsaw.py --workdir runs/jigsaw

default: 10,000 Fashion-MNIST images, nine tiles of 7 x 7 pixels from each, 4 puzzles per image and
step out of 100, a small ResNet with a stem of stride 1, 20 epochs of batches of 128.
smoke: 8 steps, for tests.
paper: tiles of 64 x 64 pixels from cells of 85 x 85, ImageNet at 256 x 256, 100 permutations;
ResNet-50 in place of AlexNet, trained as in Kolesnikov et al. 2019
(https://arxiv.org/abs/1901.09005): batch size 128, SGD, 35 epochs. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("jigsaw", arg, default=_default, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.network.stem = "small"
    config.method.update({"tile": 7, "gap": 2, "jitter": 1, "channel_jitter": 0})
    config.method.update({"puzzles": 4, "code": 64, "hidden": (256,)})
    config.train.epochs = 20.0


def _paper(config: ConfigDict) -> None:
    """Geometry and number of permutations of the authors' code; Kolesnikov et al.'s schedule."""
    common.imagenet_resnet50(config)
    config.data.update({"image_size": 256, "batch_size": 128})
    config.train.epochs = 35.0
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4, "warmup": 0.14}
    )
