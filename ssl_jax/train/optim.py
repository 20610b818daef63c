"""Optimisers with their schedules, by config."""

from typing import Any

import jax
import optax
from ml_collections import ConfigDict


def schedule(config: ConfigDict) -> optax.Schedule:
    """Linear warm-up from 0, then half a cosine down to 0 at the last step.

    Args:
      config: ``optimizer.learning_rate`` for a batch of 256, scaled by ``data.batch_size / 256``
        (Goyal et al. 2017, https://arxiv.org/abs/1706.02677); ``optimizer.warmup``, the share
        of all steps that warm up; ``train.steps``.

    Returns:
      ``step -> learning rate``.
    """
    steps = config.train.steps
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.optimizer.learning_rate * config.data.batch_size / 256,
        warmup_steps=min(round(config.optimizer.warmup * steps), steps - 1),
        decay_steps=steps,
    )


def make(config: ConfigDict) -> optax.GradientTransformation:
    """The optimiser of ``config.optimizer.name``.

    Weight decay, and LARS's adaptation, leave out what has fewer than two axes: biases and the
    scales of norms.

    Args:
      config: ``optimizer.name`` (``adamw``, ``lars`` or ``sgd``), ``optimizer.weight_decay``,
        ``optimizer.momentum`` (of the last two), and what ``schedule`` reads.

    Returns:
      The gradient transformation.
    """
    return OPTIMIZERS[config.optimizer.name](config, schedule(config))


def _adamw(config: ConfigDict, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.adamw(rate, weight_decay=config.optimizer.weight_decay, mask=_matrices)


def _lars(config: ConfigDict, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.lars(
        rate,
        weight_decay=config.optimizer.weight_decay,
        weight_decay_mask=_matrices,
        trust_coefficient=0.02,
        trust_ratio_mask=_matrices,
        momentum=config.optimizer.momentum,
    )


def _sgd(config: ConfigDict, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.chain(
        optax.add_decayed_weights(config.optimizer.weight_decay, mask=_matrices),
        optax.sgd(rate, momentum=config.optimizer.momentum),
    )


def _matrices(params: Any) -> Any:
    return jax.tree.map(lambda x: x.ndim > 1, params)


OPTIMIZERS = {"adamw": _adamw, "lars": _lars, "sgd": _sgd}
