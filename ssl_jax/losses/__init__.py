"""Self-supervised objectives: arrays in, one value an example out; the caller takes the mean.

Imports only jax, numpy, optax and jaxtyping, so that these functions serve any JAX code.
"""

# Contrastive: the positive's similarity against everybody else's.
from ssl_jax.losses.contrastive import info_nce as info_nce
from ssl_jax.losses.contrastive import nt_xent as nt_xent
from ssl_jax.losses.contrastive import decoupled_nt_xent as decoupled_nt_xent
from ssl_jax.losses.contrastive import queue_info_nce as queue_info_nce
from ssl_jax.losses.contrastive import nce as nce
from ssl_jax.losses.contrastive import supcon as supcon
from ssl_jax.losses.contrastive import triplet as triplet
from ssl_jax.losses.contrastive import clip as clip
from ssl_jax.losses.contrastive import sigmoid_pairwise as sigmoid_pairwise

# Distillation: a student predicts what a slow teacher says of another view.
from ssl_jax.losses.distillation import cosine_regression as cosine_regression
from ssl_jax.losses.distillation import cross_view as cross_view
from ssl_jax.losses.distillation import dino as dino
from ssl_jax.losses.distillation import ibot_patch as ibot_patch
from ssl_jax.losses.distillation import update_center as update_center
from ssl_jax.losses.distillation import koleo as koleo

# Clustering: views of an example are assigned to the same prototypes.
from ssl_jax.losses.clustering import sinkhorn as sinkhorn
from ssl_jax.losses.clustering import swav as swav

# Decorrelation: views agree, and dimensions say different things. Each returns a scalar.
from ssl_jax.losses.decorrelation import barlow_twins as barlow_twins
from ssl_jax.losses.decorrelation import vicreg as vicreg
from ssl_jax.losses.decorrelation import whitening_mse as whitening_mse
from ssl_jax.losses.decorrelation import cca as cca

# Masked: reconstruct the patches that were hidden.
from ssl_jax.losses.masked import masked_mse as masked_mse

# Pretext: classical tasks that need more than a cross-entropy.
from ssl_jax.losses.pretext import colorization as colorization

# Generative: pass for real.
from ssl_jax.losses.generative import discriminator as discriminator
from ssl_jax.losses.generative import generator as generator

# Language: next words, masked words, word vectors.
from ssl_jax.losses.language import causal_lm as causal_lm
from ssl_jax.losses.language import masked_lm as masked_lm
from ssl_jax.losses.language import skip_gram as skip_gram
from ssl_jax.losses.language import glove as glove

# Consistency: unlabelled examples beside few labelled ones.
from ssl_jax.losses.consistency import uda as uda
from ssl_jax.losses.consistency import pseudo_label as pseudo_label
