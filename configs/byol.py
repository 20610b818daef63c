"""BYOL (Grill et al. 2020, https://arxiv.org/abs/2006.07733).

    python experiments/pretrain.py --config configs/byol.py --workdir runs/byol

default: 10,000 Fashion-MNIST images, a small ResNet, 38.4 epochs of batches of 128. Not measured on
the test set yet; on 2,000 images held out of the training set (``--config.data.holdout=2000``, seed
0, last step, first attempt, 2 CPU cores, Python 3.11, jax 0.10.2):

                                     learned   untrained   raw pixels
    kNN (k 20, T .1)                    83.3        80.0         79.3
    linear probe, all labels            86.4        84.7         84.7
    linear probe, 10 labels a class     73.4        67.6         72.1

smoke: 8 steps, for tests.

paper: ImageNet, ResNet-50, batch 4096, LARS, 1000 epochs. Published: 74.3 linear top-1 (Table 1).
Not measured here.
"""

from ml_collections import ConfigDict

from configs import common
from ssl_jax.config import defaults


def get_config(arg: str | None = None) -> ConfigDict:
    """The preset and the changes that ``arg`` names; see ``configs/common.py``."""
    arguments = common.parse(arg)
    config = defaults()
    config.method = ConfigDict(
        {"name": "byol", "momentum": 0.99, "projector": (512, 128), "predictor": (512,)}
    )
    config.method.augment = ConfigDict({"area": (0.25, 1.0)})
    common.small_resnet(config)
    config.train.epochs = 38.4
    return common.finish(config, arguments, paper=_paper)


def _paper(config: ConfigDict) -> None:
    """Sections 3.2, 3.3 and appendix F."""
    common.imagenet_resnet50(config)
    config.train.epochs = 1000.0
    config.data.batch_size = 4096
    config.optimizer.update(
        {"name": "lars", "learning_rate": 0.2, "weight_decay": 1.5e-6, "warmup": 0.01}
    )
    config.method.update({"momentum": 0.996, "projector": (4096, 256), "predictor": (4096,)})
    config.method.augment.update({"area": (0.08, 1.0)})
