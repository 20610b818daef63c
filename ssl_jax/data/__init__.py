"""Loads data and turns it into batches.

`load(config.data)` loads data by name. `from_arrays` wraps arrays in memory. Both return a
`Dataset` of random-access sources; `batches` reads one, as a pure function of the seed and step.
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
