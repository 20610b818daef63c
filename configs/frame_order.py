"""Frame order (Misra et al. 2016, https://arxiv.org/abs/1603.08561).

    python experiments/pretrain.py --config configs/frame_order.py --workdir runs/frame_order

default: 10,000 clips of moving_fashion, a small ResNet, 800 steps with batches of 128 tuples; 6
minutes on 2 CPU cores.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 24.2 / 25.6 / 29.5
    linear 34.6 / 30.0 / 21.2
    10 per class 17.4 / 17.3 / 17.1
    motion: kNN 85.2 / 73.4 / 89.8
    motion: linear 85.7 / 75.3 / 84.8
    motion: 10 per class 56.2 / 31.6 / 30.1
    its own task: accuracy 97.9 %, chance 50.0 %
smoke: 8 steps, for tests.
paper: tuples of UCF-101 at 224 x 224, SGD, batch size 128, 100,000 steps, a linear head, ResNet-18
in place of CaffeNet. There is no loader for video files: pass ``ssl_jax.fit`` a dataset of clips
with at least 33 frames. Published, with CaffeNet: 50.2 % on UCF-101's actions after fine-tuning,
mean of three splits (the authors' code). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("frame_order", arg, default=_default, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.data.name = "moving_fashion"
    config.evaluation.layers = ("features",)
    config.method.update({"reach": 5, "gap": 1, "shift": 2, "hidden": (256,)})
    config.train.steps = 800


def _paper(config: ConfigDict) -> None:
    """Section 4 and the authors' solver: 0.001 at batch size 128, dropping once."""
    config.train.update({"steps": 100_000, "log_every": 50, "checkpoint_every": 2000})
    config.data.update({"name": "tfds:ucf101", "batch_size": 128, "image_size": 224})
    config.network.update({"name": "resnet18", "stem": "imagenet", "pool": "mean"})
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 2e-3, "weight_decay": 5e-4, "warmup": 0.0}
        | {"schedule": "steps", "drops": (0.8,)}
    )
