"""Networks that several methods build from a config."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from ssl_jax.nn import backbones, heads
from ssl_jax.nn.encoder import Encoder
from ssl_jax.nn.linear import Linear


def backbone_and_projector(
    config: ConfigDict, rngs: nnx.Rngs, *, norm: bool = True, output_norm: bool = False
) -> Encoder:
    """Builds a backbone followed by a projector.

    Args:
      config: what ``backbones.make`` reads, and ``method.projector``, the widths of the
        projector's layers.
      rngs: the ``params`` stream initializes the parameters.
      norm: whether the projector has BatchNorm.
      output_norm: whether it ends in one; see ``heads.MLP``.
    """
    backbone = backbones.make(config, rngs)
    projector = heads.MLP(
        backbone.features,
        config.method.projector,
        norm=norm,
        output_norm=output_norm,
        dtype=jnp.dtype(config.network.dtype),
        rngs=rngs,
    )
    return Encoder(backbone, projector)


class Classifier(nnx.Module):
    """The backbone's layers, and ``logits``, a linear function of its features.

    Args:
      config: what ``backbones.make`` reads.
      classes: number of classes.
      rngs: the ``params`` stream initializes the parameters.
    """

    def __init__(self, config: ConfigDict, classes: int, rngs: nnx.Rngs):
        self.backbone = backbones.make(config, rngs)
        self.head = Linear(self.backbone.features, classes, rngs=rngs)

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns all layers of normalized images."""
        layers = self.backbone(images, train=train)
        return layers | {"logits": self.head(layers["features"])}
