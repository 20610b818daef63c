"""Networks: flax.nnx modules behind one functional seam, ``Network(init, apply)``."""

from ssl_jax.nn.functional import Network as Network
from ssl_jax.nn.functional import from_module as from_module
