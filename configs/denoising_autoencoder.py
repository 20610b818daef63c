"""Denoising autoencoder (Vincent et al. 2008, https://doi.org/10.1145/1390156.1390294).

    python experiments/pretrain.py --config configs/denoising_autoencoder.py \
        --workdir runs/denoising

default: 10,000 Fashion-MNIST images, a quarter of whose pixels is set to 0, one layer of 1,000
sigmoid units with tied weights, 40 epochs of batches of 128; 2 minutes on 2 CPU cores. The
report shows the first filters; compare them for --config.method.level=0.0, 0.1, 0.25 and 0.5.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 84.8 / 84.0 / 84.1
    linear 87.0 / 84.8 / 85.0
    10 per class 74.4 / 72.1 / 72.0
    its own task: PSNR 20.8, noisy image 13.6
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, AdamW; docs/presets.md. On an H200: 73 ms per step, 12 GiB; scores
not measured.
paper: the setting of the authors' tutorial (https://github.com/lisa-lab/DeepLearningTutorials,
code/dA.py): MNIST, 500 units, 30 % noise, SGD with a batch size of 20, 15 epochs. Its loss is the
sum over pixels; the learning rate is scaled accordingly. There the noise of each pixel is drawn by
itself. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("denoising_autoencoder", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    config.network.update({"name": "mlp", "widths": (1000,)})
    config.method.tied = True
    config.data.batch_size = 128
    config.optimizer.update({"learning_rate": 1e-2, "weight_decay": 0.3})
    config.train.epochs = 40.0


def _gpu(config: ConfigDict) -> None:
    """A convolutional autoencoder; there is no published recipe."""
    common.gpu_resnet(config)
    if not common.is_small(config):
        config.method.decoder = (512, 256, 128, 64, 32, 16)


def _paper(config: ConfigDict) -> None:
    config.network.name = "mlp"
    config.method.update({"tied": True, "level": 0.3})
    config.data.update({"name": "tfds:mnist", "batch_size": 20})
    config.train.update({"epochs": 15.0, "log_every": 100})
    config.optimizer.update(
        {"name": "sgd", "learning_rate": 0.1 * 28**2 * 256 / 20, "momentum": 0.0}
        | {"weight_decay": 0.0, "warmup": 0.0, "schedule": "constant"}
    )
