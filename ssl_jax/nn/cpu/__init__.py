"""Layers whose gradients are fast in XLA on a CPU; ``nn.platform`` says when they are used.

They compute the same as the plain layers, but have no forward-mode derivatives.
"""
