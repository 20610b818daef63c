"""What features are worth: pure functions from feature arrays to numbers."""

from ssl_jax.evaluation._knn import knn as knn
from ssl_jax.evaluation._linear_probe import linear_probe as linear_probe
from ssl_jax.evaluation._rankme import rankme as rankme
