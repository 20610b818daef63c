"""Adversarial losses re-derived with plain loops in float64."""

import numpy as np

from tests.references.arrays import softplus


def discriminator(real_logits, fake_logits):
    """Goodfellow et al. (2014), equation 1, as a loss: -log D(x) - log(1 - D(G(z)))."""
    pairs = zip(real_logits, fake_logits, strict=True)
    return np.array([softplus(-float(real)) + softplus(float(fake)) for real, fake in pairs])


def generator(fake_logits):
    """Goodfellow et al. (2014), section 3, the form that does not saturate: -log D(G(z))."""
    return np.array([softplus(-float(fake)) for fake in fake_logits])
