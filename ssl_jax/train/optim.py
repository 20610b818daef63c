"""Optimisers with their schedules, by config."""

from typing import Any

import jax
import optax
from ml_collections import ConfigDict

from ssl_jax.errors import InputError
from ssl_jax.methods.schedules import cosine


def schedule(config: ConfigDict) -> optax.Schedule:
    """Builds the learning rate: linear warm-up from 0, then half a cosine down to 0, or a constant.

    Without a warm-up the rate starts at its peak.

    Args:
      config: ``optimizer.learning_rate`` for a batch of 256, scaled by ``data.batch_size / 256``
        (Goyal et al. 2017, https://arxiv.org/abs/1706.02677); ``optimizer.warmup``, the share
        of all steps that warm up; ``optimizer.schedule``, ``cosine`` or ``constant``;
        ``train.steps``.

    Returns:
      ``step -> learning rate``.
    """
    steps = config.train.steps
    peak = config.optimizer.learning_rate * config.data.batch_size / 256
    warmup = min(round(config.optimizer.warmup * steps), steps - 1)
    if config.optimizer.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps)
    if warmup:
        return optax.warmup_constant_schedule(0.0, peak, warmup)
    return optax.constant_schedule(peak)  # optax's warm-up over 0 steps stays at 0


def make(config: ConfigDict) -> optax.GradientTransformation:
    """The optimiser of ``config.optimizer``.

    Weight decay, and LARS's adaptation, leave out what has fewer than two axes: biases and the
    scales of norms.

    Args:
      config: of ``optimizer`` the ``name`` (``adamw``, ``lars`` or ``sgd``); ``weight_decay``, and
        ``weight_decay_end`` if it goes there by half a cosine; ``momentum`` of the last two,
        ``betas`` of the first, ``trust_coefficient`` of the second; ``clip_norm``, if the norm of
        the gradient has a bound; and what ``schedule`` reads. ``optimizer.groups.NAME`` has
        settings that differ for the parameters under the key ``NAME``, which have an optimiser of
        their own.

    Returns:
      The gradient transformation.

    Raises:
      InputError: from its ``init``, if a group names no parameters.
    """
    groups = {name: _changed(config, block) for name, block in config.optimizer.groups.items()}
    if not groups:
        return _make(config)

    def owners(params: Any) -> Any:
        for name in groups:
            if name not in params:
                raise InputError(
                    f"optimizer.groups.{name}: there are no such parameters; "
                    f"expected one of {', '.join(params)}"
                )
        return {key: key if key in groups else "main" for key in params}

    return optax.multi_transform(
        {"main": _make(config)} | {name: _make(changed) for name, changed in groups.items()}, owners
    )


def _make(config: ConfigDict) -> optax.GradientTransformation:
    optimizer = OPTIMIZERS[config.optimizer.name](config, schedule(config), _decay(config))
    if config.optimizer.clip_norm is None:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(config.optimizer.clip_norm), optimizer)


def _changed(config: ConfigDict, block: ConfigDict) -> ConfigDict:
    changed = ConfigDict(config.to_dict())
    changed.optimizer.update(block.to_dict())
    return changed


def _decay(config: ConfigDict) -> optax.Schedule | float:
    start, end = config.optimizer.weight_decay, config.optimizer.weight_decay_end
    if end is None:
        return start
    return lambda step: cosine(start, end, step, config.train.steps)


def _adamw(
    config: ConfigDict, rate: optax.Schedule, decay: optax.Schedule | float
) -> optax.GradientTransformation:
    b1, b2 = config.optimizer.betas
    return optax.adamw(rate, b1, b2, weight_decay=decay, mask=_matrices)


def _lars(
    config: ConfigDict, rate: optax.Schedule, decay: optax.Schedule | float
) -> optax.GradientTransformation:
    """LARS (You et al. 2017, https://arxiv.org/abs/1708.03888), as in SimCLR's code.

    ``g <- g + decay w;  v <- momentum v + rate trust |w| / |g| g;  w <- w - v``, without the ratio
    where either norm is 0. BYOL's code applies the rate after the momentum, ``w <- w - rate v``;
    both are the same while the rate is constant.
    """
    return optax.lars(
        rate,
        weight_decay=decay,
        weight_decay_mask=_matrices,
        trust_coefficient=config.optimizer.trust_coefficient,
        trust_ratio_mask=_matrices,
        momentum=config.optimizer.momentum,
    )


def _sgd(
    config: ConfigDict, rate: optax.Schedule, decay: optax.Schedule | float
) -> optax.GradientTransformation:
    return optax.chain(
        optax.add_decayed_weights(decay, mask=_matrices),
        optax.sgd(rate, momentum=config.optimizer.momentum),
    )


def _matrices(params: Any) -> Any:
    return jax.tree.map(lambda x: x.ndim > 1, params)


OPTIMIZERS = {"adamw": _adamw, "lars": _lars, "sgd": _sgd}
