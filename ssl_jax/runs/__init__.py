"""Runs and their folders: start, resume, load, read several of them."""

from ssl_jax.runs.fit import fit as fit
from ssl_jax.runs.run import Run as Run
from ssl_jax.runs.run import load as load
