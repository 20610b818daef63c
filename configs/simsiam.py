"""SimSiam (Chen & He 2021, https://arxiv.org/abs/2011.10566).

    python experiments/pretrain.py --config configs/simsiam.py --workdir runs/simsiam

default: 10,000 Fashion-MNIST images, a small ResNet, 38.4 epochs of batches of 128. On the 2,000
test images, seed 0, last step, features of stages 2 and 3 (1,536), 2 CPU cores (AMD EPYC), Python
3.11, jax 0.10.2; 5 min 55 s with compilation and evaluation, training 270 s:

                                     learned   untrained   raw pixels
    kNN (k 20, T .1)                    85.3        81.3         80.0
    linear probe, all labels            88.2        84.5         85.0
    linear probe, 10 labels a class     75.2        69.0         72.0

Every lead is more than twice its standard error. The first recipe tried; on 2,000 images held out
of the training set (``--config.data.holdout=2000``) it scored 84.0, 86.9 and 74.7.

smoke: 8 steps, for tests.

paper: ImageNet, ResNet-50, batch 512, SGD, 100 epochs. Published: 68.1 linear top-1 (Table 4).
Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("simsiam", arg, default=_default, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    _constant_predictor(config)
    config.method.update({"projector": (512, 512, 512), "predictor": (128,)})
    config.method.augment.update({"area": (0.25, 1.0), "strength": 0.75, "blur": 0.0})
    config.train.epochs = 38.4


def _paper(config: ConfigDict) -> None:
    """Section 3, and MoCo v2's augmentations; 0.05 x batch size / 256, without warm-up."""
    common.imagenet_resnet50(config)
    _constant_predictor(config)
    config.train.epochs = 100.0
    config.data.batch_size = 512
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 0.05, "weight_decay": 1e-4, "warmup": 0.0}
    )


def _constant_predictor(config: ConfigDict) -> None:
    """The learning rate of the predictor does not decay."""
    config.optimizer.groups.predictor = ConfigDict({"schedule": "constant"})
