"""Measures how good features are: pure functions from arrays to numbers."""

from ssl_jax.evaluation.linear import linear_probe as linear_probe
from ssl_jax.evaluation.nearest import knn as knn
from ssl_jax.evaluation.ngram import kneser_ney_bigram as kneser_ney_bigram
from ssl_jax.evaluation.ngram import unigram as unigram
from ssl_jax.evaluation.rank import rankme as rankme
