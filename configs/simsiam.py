"""SimSiam (Chen & He 2021, https://arxiv.org/abs/2011.10566).

    python experiments/pretrain.py --config configs/simsiam.py --workdir runs/simsiam

default: not measured yet.

smoke: 8 steps, for tests.

paper: ImageNet, ResNet-50, batch 512, SGD, 100 epochs. Published: 68.1 linear top-1 (Table 4).
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
        {"name": "simsiam", "projector": (512, 512, 512), "predictor": (128,)}
    )
    config.method.augment = ConfigDict({"area": (0.25, 1.0), "strength": 0.75, "blur": 0.0})
    config.optimizer.groups = ConfigDict({"predictor": {"schedule": "constant"}})
    common.small_resnet(config)
    config.train.epochs = 38.4
    return common.finish(config, arguments, paper=_paper)


def _paper(config: ConfigDict) -> None:
    """Section 3, and MoCo v2's augmentations; the rate is 0.05 x batch / 256, without warm-up."""
    common.imagenet_resnet50(config)
    config.train.epochs = 100.0
    config.data.batch_size = 512
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 0.05, "weight_decay": 1e-4, "warmup": 0.0}
    )
    config.method.update({"projector": (2048, 2048, 2048), "predictor": (512,)})
    config.method.augment.update({"area": (0.2, 1.0), "strength": 0.5, "blur": 0.5})
