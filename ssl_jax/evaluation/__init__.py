"""What features are worth: pure functions from arrays to numbers."""

from ssl_jax.evaluation._knn import knn as knn
from ssl_jax.evaluation._linear_probe import linear_probe as linear_probe
from ssl_jax.evaluation._ngram import kneser_ney_bigram as kneser_ney_bigram
from ssl_jax.evaluation._ngram import unigram as unigram
from ssl_jax.evaluation._rankme import rankme as rankme
