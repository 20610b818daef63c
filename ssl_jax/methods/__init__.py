"""Methods by the name that ``config.method.name`` gives them."""

from ml_collections import ConfigDict

from ssl_jax.methods import byol, dino, mae, moco, rotation, simclr, simsiam
from ssl_jax.methods.base import Method as Method

METHODS = {
    "simclr": simclr.make,
    "byol": byol.make,
    "simsiam": simsiam.make,
    "moco": moco.make,
    "dino": dino.make,
    "mae": mae.make,
    "rotation": rotation.make,
}


def make(config: ConfigDict) -> Method:
    """The method of ``config.method.name``."""
    return METHODS[config.method.name](config)
