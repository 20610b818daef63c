"""Training: one step, one loop, for every method."""

from ssl_jax.train.fit import fit as fit
from ssl_jax.train.stop import Stopped as Stopped
