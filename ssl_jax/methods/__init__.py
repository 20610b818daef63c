"""Methods by the name that ``config.method.name`` gives them."""

from ml_collections import ConfigDict

from ssl_jax.errors import InputError
from ssl_jax.methods import (
    byol,
    context_encoder,
    dino,
    frame_order,
    mae,
    moco,
    next_word,
    rotation,
    simclr,
    simsiam,
)
from ssl_jax.methods.base import Method as Method

METHODS = {
    "simclr": simclr.make,
    "byol": byol.make,
    "simsiam": simsiam.make,
    "moco": moco.make,
    "dino": dino.make,
    "mae": mae.make,
    "rotation": rotation.make,
    "context_encoder": context_encoder.make,
    "frame_order": frame_order.make,
    "next_word": next_word.make,
}


def make(config: ConfigDict) -> Method:
    """The method of ``config.method.name``.

    Raises:
      InputError: there is none of that name.
    """
    name = config.get("method", {}).get("name")
    if name not in METHODS:
        raise InputError(f"method.name: {name!r}; expected one of {', '.join(METHODS)}")
    return METHODS[name](config)
