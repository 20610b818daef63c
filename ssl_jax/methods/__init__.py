"""Methods by the name that ``config.method.name`` gives them."""

from ml_collections import ConfigDict

from ssl_jax.methods import byol, frame_order, moco, simclr
from ssl_jax.methods.base import Method as Method

METHODS = {
    "simclr": simclr.make,
    "byol": byol.make,
    "moco": moco.make,
    "frame_order": frame_order.make,
}


def make(config: ConfigDict) -> Method:
    """The method of ``config.method.name``."""
    return METHODS[config.method.name](config)
