"""Frame order (Misra et al. 2016, https://arxiv.org/abs/1603.08561).

    python experiments/pretrain.py --config configs/frame_order.py --workdir runs/frame_order

default: not measured yet.

smoke: 8 steps, for tests.

paper: tuples of UCF-101 at 224 x 224, SGD, 100,000 steps of 128, a linear head; the tower is
ResNet-18 in place of CaffeNet. No loader here reads videos: hand ``train.fit`` a data set of clips
with at least 33 frames. Published, with CaffeNet: 50.2 % of UCF-101's actions after fine-tuning,
38.6 from scratch, mean of three splits (Table 2). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common
from ssl_jax.config import defaults


def get_config(arg: str | None = None) -> ConfigDict:
    """The preset and the changes that ``arg`` names; see ``configs/common.py``."""
    arguments = common.parse(arg)
    config = defaults()
    config.data.name = "moving_fashion"
    config.method = ConfigDict(
        {
            "name": "frame_order",
            "in_order": 0.25,
            "reach": 5,
            "gap": 1,
            "shift": 2,
            "hidden": (256,),
        }
    )
    common.small_resnet(config)
    config.train.steps = 1000
    if arguments.preset == "smoke":
        common.smoke(config)
    elif arguments.preset == "paper":
        _paper(config)
    return common.apply(config, arguments)


def _paper(config: ConfigDict) -> None:
    """Section 4 and the authors' solver, whose rate of .001 for 128 falls in one step, not here."""
    config.train.update({"steps": 100_000, "log_every": 50, "checkpoint_every": 2000})
    config.evaluation.layers = ("features",)
    config.data.update({"name": "tfds:ucf101", "batch_size": 128, "image_size": 224})
    config.network.update({"name": "resnet18", "stem": "imagenet", "pool": "mean"})
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 2e-3, "weight_decay": 5e-4, "warmup": 0.0}
    )
    config.method.update({"reach": 60, "gap": 15, "shift": 0, "hidden": ()})
