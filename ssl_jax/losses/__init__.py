"""Self-supervised objectives: arrays in, one value an example out; the caller takes the mean.

Imports only jax, numpy, optax and jaxtyping, so that these functions serve any JAX code.
"""

# Contrastive: the positive's similarity against everybody else's.
from ssl_jax.losses.contrastive import info_nce as info_nce
from ssl_jax.losses.contrastive import nt_xent as nt_xent
