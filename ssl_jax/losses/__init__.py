"""Self-supervised objectives: arrays in, one value an example out; the caller takes the mean.

Losses over the statistics of a batch return a scalar and say so in their first line. Imports only
jax, numpy, optax and jaxtyping, so that these functions serve any JAX code.
"""

# Contrastive: the positive's similarity against everybody else's.
from ssl_jax.losses.contrastive import info_nce as info_nce  # a query, its key, the others' keys
from ssl_jax.losses.contrastive import nt_xent as nt_xent  # SimCLR: both views of all others
from ssl_jax.losses.contrastive import decoupled_nt_xent as decoupled_nt_xent  # DCL
from ssl_jax.losses.contrastive import queue_info_nce as queue_info_nce  # MoCo: a queue of keys
from ssl_jax.losses.contrastive import moco_v3 as moco_v3  # both ways, keys without gradient
from ssl_jax.losses.contrastive import mil_nce as mil_nce  # several positives, any may be right
from ssl_jax.losses.contrastive import supcon as supcon  # several positives, by label

# Images and texts: what belongs together is to be found.
from ssl_jax.losses.image_text import clip as clip  # a softmax over the batch, both ways
from ssl_jax.losses.image_text import sigmoid_pairwise as sigmoid_pairwise  # SigLIP: no softmax

# Pairs by themselves: no softmax over the batch.
from ssl_jax.losses.pairwise import nce as nce  # data against noise of known density
from ssl_jax.losses.pairwise import triplet as triplet  # nearer than a negative, by a margin
from ssl_jax.losses.pairwise import alignment as alignment  # views lie close together
from ssl_jax.losses.pairwise import spectral_contrastive as spectral_contrastive  # squares

# Distillation: a student predicts what a slow teacher says of another view.
from ssl_jax.losses.distillation import cosine_regression as cosine_regression  # BYOL, SimSiam
from ssl_jax.losses.distillation import cross_view as cross_view  # all pairs of different views
from ssl_jax.losses.distillation import dino as dino  # centred and sharpened targets
from ssl_jax.losses.distillation import ibot_patch as ibot_patch  # the same at hidden patches
from ssl_jax.losses.distillation import update_center as update_center  # the centre's moving mean

# Clustering: views of an example are assigned to the same prototypes.
from ssl_jax.losses.clustering import sinkhorn as sinkhorn  # balanced soft assignments
from ssl_jax.losses.clustering import swav as swav  # predict the other view's assignment

# Decorrelation: views agree, and dimensions say different things. Each returns a scalar.
from ssl_jax.losses.decorrelation import barlow_twins as barlow_twins  # correlation is identity
from ssl_jax.losses.decorrelation import vicreg as vicreg  # variance, invariance, covariance
from ssl_jax.losses.decorrelation import whitening_mse as whitening_mse  # W-MSE: agree, whitened
from ssl_jax.losses.decorrelation import cca as cca  # canonical correlations are high

# Spread: against collapse, beside a loss that makes views agree.
from ssl_jax.losses.spread import koleo as koleo  # DINOv2: away from the nearest neighbour
from ssl_jax.losses.spread import uniformity as uniformity  # over the sphere; with alignment
from ssl_jax.losses.spread import sigreg as sigreg  # LeJEPA: normal along random directions
from ssl_jax.losses.spread import coding_rate as coding_rate  # MCR2, SimDINO: a large volume
from ssl_jax.losses.spread import mmcr as mmcr  # views agree and examples span much, in one
from ssl_jax.losses.spread import me_max as me_max  # MSN: all prototypes are used

# Masked: reconstruct what was hidden.
from ssl_jax.losses.masked import masked_mse as masked_mse  # MAE: pixels of hidden patches
from ssl_jax.losses.masked import masked_smooth_l1 as masked_smooth_l1  # data2vec, I-JEPA: features

# Pretext: classical tasks that need more than a cross-entropy.
from ssl_jax.losses.pretext import colorization as colorization  # bins of colour, rare ones more

# Generative: pass for real.
from ssl_jax.losses.generative import discriminator as discriminator  # tell real from generated
from ssl_jax.losses.generative import generator as generator  # be taken for real

# Language: next words, masked words, word vectors.
from ssl_jax.losses.language import causal_lm as causal_lm  # GPT: the next token
from ssl_jax.losses.language import masked_lm as masked_lm  # BERT: the hidden tokens
from ssl_jax.losses.language import skip_gram as skip_gram  # word2vec, negative sampling
from ssl_jax.losses.language import glove as glove  # logarithms of co-occurrence counts

# Consistency: unlabelled examples beside few labelled ones.
from ssl_jax.losses.consistency import uda as uda  # sure predictions, sharpened
from ssl_jax.losses.consistency import pseudo_label as pseudo_label  # FixMatch: sure labels
