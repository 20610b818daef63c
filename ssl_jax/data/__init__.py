"""Data: random-access sources, one way to load them, and batches that are pure functions of a step.

Data in memory: `from_arrays`. Data with a name (see `load`): `load(config.data)`.
"""

from ssl_jax.data.arrays import from_arrays as from_arrays
from ssl_jax.data.catalog import load as load
from ssl_jax.data.catalog import load_of_run as load_of_run
from ssl_jax.data.dataset import Dataset as Dataset
from ssl_jax.data.dataset import Source as Source
from ssl_jax.data.pipeline import batches as batches
from ssl_jax.data.pipeline import padded_batches as padded_batches
from ssl_jax.data.streams import labeled as labeled
from ssl_jax.data.streams import training_batches as training_batches
