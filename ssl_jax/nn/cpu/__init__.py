"""Layers with gradients that XLA's CPU computes fast; ``nn.platform`` says when they are used.

They compute what the plain layers compute, and have no forward-mode derivatives.
"""
