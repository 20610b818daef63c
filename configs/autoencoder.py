"""Autoencoder (Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647).

    python experiments/pretrain.py --config configs/autoencoder.py --workdir runs/autoencoder

default: 10,000 Fashion-MNIST images, one layer of 1,000 rectified units and a code of 32 numbers,
40 epochs of batches of 128; 2 minutes on 2 CPU cores. The code is evaluated, and compared with 32
principal components. --config.method.variational=True makes it the variational autoencoder.
Scores (docs/results.md), seed 0:
    learned / untrained / raw pixels
    kNN 85.5 / 79.9 / 84.1
    linear 82.3 / 75.8 / 85.0
    10 per class 71.7 / 62.6 / 72.0
    its own task: error 0.00900, PCA 0.0146
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, a code of 512 numbers, AdamW; docs/presets.md. On an H200: 67 ms
per step, 12 GiB; scores not measured.
paper: MNIST, layers of 1000, 500 and 250 sigmoid units, a code of 30 numbers, 200 epochs. The
authors train the layers one by one, then all by conjugate gradients; here AdamW trains all. For the
variational paper: --config.method.variational=True --config.network.widths='(500,)'
--config.network.activation=tanh --config.method.code=20. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("autoencoder", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    config.network.update({"name": "mlp", "widths": (1000,), "activation": "relu"})
    config.evaluation.layers = ("code",)
    config.data.batch_size = 128
    config.optimizer.update({"learning_rate": 4e-3, "weight_decay": 1e-2})
    config.train.epochs = 40.0


def _gpu(config: ConfigDict) -> None:
    """A convolutional autoencoder with a code of 512 numbers; there is no published recipe."""
    common.gpu_resnet(config)
    config.method.code = 512
    if not common.is_small(config):
        config.method.decoder = (512, 256, 128, 64, 32, 16)
    config.evaluation.layers = ("code",)


def _paper(config: ConfigDict) -> None:
    """Batches and epochs as in the authors' backprop.m."""
    config.network.update({"name": "mlp", "widths": (1000, 500, 250)})
    config.method.code = 30
    config.data.update({"name": "tfds:mnist", "batch_size": 1000})
    config.evaluation.layers = ("code",)
    config.train.epochs = 200.0
