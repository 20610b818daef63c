"""The network of most methods on images: a backbone, and a projector that only training uses."""

from typing import Any

from flax import nnx
from jaxtyping import Array, Float

from ssl_jax.nn import heads


class Encoder(nnx.Module):
    """A backbone with features ``h``, and a projector ``z = g(h)``.

    Args:
      backbone: a module of ``nn.backbones``.
      projector: ``g``; reads the backbone's features.
    """

    def __init__(self, backbone: Any, projector: heads.MLP):
        self.backbone = backbone
        self.projector = projector

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n ..."]]:
        """Returns the backbone's layers (``h`` is ``features``) and ``z`` of normalized images."""
        layers = self.backbone(images, train=train)
        return layers | {"z": self.projector(layers["features"], train=train)}
