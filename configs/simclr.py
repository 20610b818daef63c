"""SimCLR (Chen et al. 2020, https://arxiv.org/abs/2002.05709)."""

from ml_collections import ConfigDict

from configs import common
from ssl_jax.config import defaults


def get_config(arg: str | None = None) -> ConfigDict:
    """The preset and the changes that ``arg`` names; see ``configs/common.py``."""
    arguments = common.parse(arg)
    config = defaults()
    config.method = ConfigDict({"name": "simclr", "temperature": 0.2, "projector": (256, 64)})
    config.method.augment = {"area": (0.25, 1.0), "strength": 0.5, "blur": 0.0}
    config.evaluation.layers = ("stage2_grid", "stage3_grid")
    config.train.epochs = 24.0
    if arguments.preset == "smoke":
        config.train.steps = 8
        config.data.batch_size = 64
        config.train.checkpoint_every = 4
        config.train.log_every = 2
    return common.apply(config, arguments)
