"""Networks: flax.nnx modules, turned into pure functions in one place, ``Network``."""

from ssl_jax.nn.functional import Network as Network
from ssl_jax.nn.functional import from_module as from_module
