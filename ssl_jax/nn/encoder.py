"""What most methods on images train: a backbone and a projector that is thrown away later."""

from typing import Any

from flax import nnx
from jaxtyping import Array, Float

from ssl_jax.nn import heads


class Encoder(nnx.Module):
    """``images -> h`` (as ``features``, beside the backbone's other layers) and ``z = g(h)``.

    Args:
      backbone: a module of ``nn.backbones``.
      projector: ``g``, from the backbone's features.
    """

    def __init__(self, backbone: Any, projector: heads.MLP):
        self.backbone = backbone
        self.projector = projector

    def __call__(
        self, images: Float[Array, "n h w c"], *, train: bool
    ) -> dict[str, Float[Array, "n _"]]:
        """Returns all layers of normalized images."""
        layers = self.backbone(images, train=train)
        return layers | {"z": self.projector(layers["features"], train=train)}
