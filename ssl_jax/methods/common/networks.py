"""Networks that several methods build from a config."""

import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from ssl_jax.nn import backbones, heads
from ssl_jax.nn.encoder import Encoder


def backbone_and_projector(config: ConfigDict, rngs: nnx.Rngs, *, norm: bool = True) -> Encoder:
    """Builds a backbone followed by a projector.

    Args:
      config: what ``backbones.make`` reads, and ``method.projector``, the widths of the
        projector's layers.
      rngs: the ``params`` stream initializes the parameters.
      norm: whether the projector has BatchNorm.
    """
    backbone = backbones.make(config, rngs)
    projector = heads.MLP(
        backbone.features,
        config.method.projector,
        norm=norm,
        dtype=jnp.dtype(config.network.dtype),
        rngs=rngs,
    )
    return Encoder(backbone, projector)
