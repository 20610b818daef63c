"""Context encoder (Pathak et al. 2016, https://arxiv.org/abs/1604.07379).

    python experiments/pretrain.py --config configs/context_encoder.py --workdir runs/context

default: 10,000 Fashion-MNIST images, a small ResNet, 38.4 epochs of batches of 128; 5 minutes on
2 CPU cores.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 84.5 / 81.9 / 84.1
    linear 87.2 / 85.5 / 85.0
    10 per class 72.0 / 69.4 / 72.0
    its own task: PSNR 16.2, nearest neighbor 14.6
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, AdamW; docs/presets.md. On an H200: 55 ms per step, 12 GiB; scores
not measured.
paper: the setting of the authors' code for painting the middle of 128 x 128 images, on ImageNet: an
encoder of five convolutions, a bottleneck of 4,000, Adam, batch size 64, 500 epochs. Crops have
the area of the code's, 128 of 350 pixels, and sides of 3:4 to 4:3. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("context_encoder", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.optimizer.betas = (0.5, 0.999)
    config.optimizer.groups.discriminator = ConfigDict({"learning_rate": 2e-4})
    config.method.update(
        {
            "overlap": 0,
            "bottleneck": None,
            "decoder": (64, 32),
            "discriminator": (32, 64),
            "area": (0.5, 1.0),
            "shift": 8,
        }
    )
    config.train.epochs = 38.4


def _gpu(config: ConfigDict) -> None:
    """ResNet in place of the authors' encoder, with the rates of the default preset."""
    common.gpu_resnet(config, pool="grid")
    config.optimizer.update({"learning_rate": 2e-3, "betas": (0.5, 0.999)})
    config.optimizer.groups.discriminator = ConfigDict({"learning_rate": 2e-4})
    if common.is_small(config):
        config.method.update({"overlap": 0, "decoder": (64, 32), "discriminator": (32, 64)})
    else:
        config.method.decoder = (512, 256, 128, 64, 32)
        config.method.discriminator = (32, 64, 128, 256, 512)
    config.method.bottleneck = None


def _paper(config: ConfigDict) -> None:
    """Section 5.1 and the code: constant learning rates of 2e-3 and 2e-4 at batch size 64."""
    config.train.update({"epochs": 500.0, "log_every": 50, "checkpoint_every": 2000})
    config.data.update({"name": "imagenet", "image_size": 128, "batch_size": 64})
    config.data.stored_size = 350
    config.method.area = (0.134, 0.134)  # (128 / 350) squared
    config.network.name = "context_encoder"
    config.optimizer.update(
        {"learning_rate": 8e-3, "weight_decay": 0.0, "betas": (0.5, 0.999)}
        | {"schedule": "constant", "warmup": 0.0}
    )
    config.optimizer.groups.discriminator = ConfigDict({"learning_rate": 8e-4})
