"""Autoencoder (Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647).

    python experiments/pretrain.py --config configs/autoencoder.py --workdir runs/autoencoder

default: 10,000 Fashion-MNIST images, a small ResNet, a code of 32 numbers beside 32 principal
components, 20 epochs of batches of 128; 5 minutes on 2 CPU cores. The code is what is evaluated.
--config.method.variational=True makes it the variational autoencoder.
smoke: 8 steps, for tests.
paper: MNIST, layers of 1000, 500 and 250 sigmoid units, a code of 30 numbers, 200 epochs. The
authors train the layers one by one, then all by conjugate gradients; here AdamW trains all. For the
variational paper: --config.method.variational=True --config.network.widths='(500,)'
--config.network.activation=tanh --config.method.code=20. Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("autoencoder", arg, default=_default, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.evaluation.layers = ("code",)
    config.method.decoder = (64, 32, 16)
    config.train.epochs = 20.0


def _paper(config: ConfigDict) -> None:
    """Batches and epochs as in the authors' backprop.m."""
    config.network.update({"name": "mlp", "widths": (1000, 500, 250)})
    config.method.code = 30
    config.data.update({"name": "tfds:mnist", "batch_size": 1000})
    config.evaluation.layers = ("code",)
    config.train.epochs = 200.0
