"""Self-supervised losses: they take arrays and return one value per example.

The caller takes the mean. Losses over the statistics of a batch return a scalar and say so in the
first line of their docstring. This package imports only jax, numpy, optax and jaxtyping, so any
JAX code can use it.
"""

# Contrastive: the positive must be more similar than all negatives.
from ssl_jax.losses.contrastive import info_nce as info_nce  # negatives: the keys of the batch
from ssl_jax.losses.contrastive import nt_xent as nt_xent  # SimCLR: both views of the batch
from ssl_jax.losses.contrastive import decoupled_nt_xent as decoupled_nt_xent  # DCL
from ssl_jax.losses.contrastive import queue_info_nce as queue_info_nce  # MoCo: a queue of keys
from ssl_jax.losses.contrastive import moco_v3 as moco_v3  # both ways, no gradient to the keys
from ssl_jax.losses.contrastive import mil_nce as mil_nce  # several positives, any may be right
from ssl_jax.losses.contrastive import supcon as supcon  # positives share a label

# Images and texts: find the partner.
from ssl_jax.losses.image_text import clip as clip  # softmax over the batch, both ways
from ssl_jax.losses.image_text import sigmoid_pairwise as sigmoid_pairwise  # SigLIP: no softmax

# Pairwise: no softmax over the batch.
from ssl_jax.losses.pairwise import nce as nce  # classify data against noise of known density
from ssl_jax.losses.pairwise import triplet as triplet  # closer than the negative, by a margin
from ssl_jax.losses.pairwise import alignment as alignment  # views lie close together
from ssl_jax.losses.pairwise import spectral_contrastive as spectral_contrastive  # squared scores

# Distillation: a student predicts what a slowly moving teacher says about another view.
from ssl_jax.losses.distillation import cosine_regression as cosine_regression  # BYOL, SimSiam
from ssl_jax.losses.distillation import cross_view as cross_view  # all pairs of different views
from ssl_jax.losses.distillation import dino as dino  # centered and sharpened targets
from ssl_jax.losses.distillation import ibot_patch as ibot_patch  # DINO's targets, hidden patches
from ssl_jax.losses.distillation import update_center as update_center  # moving average of logits

# Clustering: all views of an example are assigned to the same prototypes.
from ssl_jax.losses.clustering import sinkhorn as sinkhorn  # balanced soft assignments
from ssl_jax.losses.clustering import swav as swav  # predict the other view's assignment

# Decorrelation: views agree, and dimensions are not redundant. Each returns a scalar.
from ssl_jax.losses.decorrelation import barlow_twins as barlow_twins  # correlation is identity
from ssl_jax.losses.decorrelation import vicreg as vicreg  # variance, invariance, covariance
from ssl_jax.losses.decorrelation import whitening_mse as whitening_mse  # W-MSE: agree, whitened
from ssl_jax.losses.decorrelation import cca as cca  # canonical correlations are high

# Spread: prevent collapse, next to a loss that makes views agree.
from ssl_jax.losses.spread import koleo as koleo  # DINOv2: away from the nearest neighbor
from ssl_jax.losses.spread import uniformity as uniformity  # over the sphere; with alignment
from ssl_jax.losses.spread import sigreg as sigreg  # LeJEPA: normal along random directions
from ssl_jax.losses.spread import coding_rate as coding_rate  # MCR2, SimDINO: a large volume
from ssl_jax.losses.spread import mmcr as mmcr  # agreement of views and spread of examples, in one
from ssl_jax.losses.spread import me_max as me_max  # MSN: all prototypes are used

# Masked: reconstruct what was hidden.
from ssl_jax.losses.masked import masked_mse as masked_mse  # MAE: pixels of hidden patches
from ssl_jax.losses.masked import masked_smooth_l1 as masked_smooth_l1  # data2vec, I-JEPA: features

# Pretext: classical tasks that need more than a cross-entropy.
from ssl_jax.losses.pretext import colorization as colorization  # color bins, rare ones weigh more

# Generative: generated examples that look real.
from ssl_jax.losses.generative import discriminator as discriminator  # tell real from generated
from ssl_jax.losses.generative import generator as generator  # be taken for real

# Language: next words, masked words, word vectors.
from ssl_jax.losses.language import causal_lm as causal_lm  # GPT: the next token
from ssl_jax.losses.language import masked_lm as masked_lm  # BERT: the hidden tokens
from ssl_jax.losses.language import skip_gram as skip_gram  # word2vec, negative sampling
from ssl_jax.losses.language import glove as glove  # logarithms of co-occurrence counts

# Consistency: unlabeled examples next to a few labeled ones.
from ssl_jax.losses.consistency import uda as uda  # confident predictions, sharpened
from ssl_jax.losses.consistency import pseudo_label as pseudo_label  # FixMatch: confident labels
