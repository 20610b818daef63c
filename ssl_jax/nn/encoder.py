"""What most methods on pictures train: a backbone and a projector that is thrown away later."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from ssl_jax.nn import backbones, heads


class Encoder(nnx.Module):
    """``images -> h`` (as ``features``, beside the backbone's other layers) and ``z = g(h)``.

    Args:
      config: what ``backbones.make`` reads, ``method.projector`` (widths of its layers) and
        ``network.dtype``.
      rngs: ``params`` initialises.
      norm: whether the projector has BatchNorm.
    """

    def __init__(self, config: ConfigDict, rngs: nnx.Rngs, *, norm: bool = True):
        self.backbone = backbones.make(config, rngs)
        self.projector = heads.MLP(
            self.backbone.features,
            config.method.projector,
            norm=norm,
            dtype=jnp.dtype(config.network.dtype),
            rngs=rngs,
        )

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n _"]]:
        """All layers of normalised images."""
        layers = self.backbone(images, train=train)
        return layers | {"z": self.projector(layers["features"], train=train)}
