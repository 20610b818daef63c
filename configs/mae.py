"""MAE (He et al. 2022, https://arxiv.org/abs/2111.06377).

    python experiments/pretrain.py --config configs/mae.py --workdir runs/mae

default: 10,000 Fashion-MNIST images, a small ViT with patches of 4, 24 epochs of batches of 128.
Not measured on the test set yet; on 2,000 images held out of the training set
(``--config.data.holdout=2000``, seed 0, last step, first attempt, 2 CPU cores, Python 3.11, jax
0.10.2):

                                     learned   untrained   raw pixels
    kNN (k 20, T .1)                    77.4        78.0         79.3
    linear probe, all labels            85.0        83.2         84.7
    linear probe, 10 labels a class     67.0        67.5         72.1

It beats the untrained network by the linear probe alone, and pixels by nothing.

smoke: 8 steps, for tests.

paper: ImageNet, ViT-B/16, batch 4096, AdamW, 1600 epochs. Published: 68.0 linear top-1 (Table 3 and
appendix). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common
from ssl_jax.config import defaults


def get_config(arg: str | None = None) -> ConfigDict:
    """The preset and the changes that ``arg`` names; see ``configs/common.py``."""
    arguments = common.parse(arg)
    config = defaults()
    config.method = ConfigDict(
        {
            "name": "mae",
            "mask_ratio": 0.6,
            "decoder_width": 64,
            "decoder_depth": 1,
            "decoder_heads": 1,
            "normalize_targets": False,
            "area": (0.5, 1.0),
        }
    )
    common.small_vit(config)
    config.train.epochs = 36.0
    return common.finish(config, arguments, paper=_paper)


def _paper(config: ConfigDict) -> None:
    """Section 4 and appendix A.1."""
    common.imagenet_vit(config)
    config.network.name = "vit_base"
    config.train.epochs = 1600.0
    config.data.batch_size = 4096
    config.optimizer.update(
        {
            "learning_rate": 1.5e-4,
            "weight_decay": 0.05,
            "betas": (0.9, 0.95),
            "warmup": 0.025,
        }
    )
    config.method.update(
        {
            "mask_ratio": 0.75,
            "decoder_width": 512,
            "decoder_depth": 8,
            "decoder_heads": 16,
            "normalize_targets": True,
            "area": (0.2, 1.0),
        }
    )
