"""Optimizers and their schedules, by config."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array
from ml_collections import ConfigDict

from ssl_jax import settings
from ssl_jax.errors import InputError
from ssl_jax.methods.common.schedules import cosine
from ssl_jax.nn.backbones.blocks import blocks, merged


def _earlier_trust_coefficient(optimizer: Mapping[str, Any]) -> float:
    """Returns .02 for LARS, its value before it was a setting; other optimizers do not read it."""
    blocks = [optimizer, *optimizer.get("groups", {}).values()]
    return 0.02 if any(block.get("name") == "lars" for block in blocks) else 0.001


SETTINGS = {
    "name": settings.choice("adamw", "which optimizer", ("adamw", "lars", "sgd")),
    "learning_rate": settings.real(
        1e-3, "peak learning rate for a batch of 256; scales with the batch size", above=0
    ),
    "weight_decay": settings.real(1e-4, "weight decay", at_least=0),
    "weight_decay_end": settings.real(
        None, "weight decay at the end, reached along half a cosine", at_least=0, optional=True
    ),
    "weight_decay_of": settings.choice(
        "matrices",
        "what decays: arrays with two or more axes, so no biases and norms, or all",
        ("matrices", "all"),
    ),
    "momentum": settings.real(0.9, "momentum of lars and sgd", at_least=0, at_most=0.9999),
    "betas": settings.betas((0.9, 0.999), "decay rates of adamw's moving averages"),
    "trust_coefficient": settings.real(
        0.001, "trust coefficient of lars", above=0, earlier=_earlier_trust_coefficient
    ),
    "warmup": settings.share(0.05, "share of all steps in which the learning rate warms up"),
    "schedule": settings.choice(
        "cosine",
        "learning rate after warm-up: half a cosine, constant, or divided by 10 at each drop",
        ("cosine", "constant", "steps"),
    ),
    "learning_rate_end": settings.real(
        0.0, "learning rate at the end of the cosine, for any batch size", at_least=0
    ),
    "drops": settings.numbers(
        (0.5, 0.75), "shares of all steps after which steps divides the rate by 10", at_least=0
    ),
    "layer_decay": settings.real(
        1.0,
        "factor of the learning rate from one block of the backbone to the one below",
        above=0,
        at_most=1,
    ),
    "clip_norm": settings.real(
        None, "bound on the norm of the whole gradient", above=0, optional=True
    ),
}


def schedule(config: ConfigDict) -> optax.Schedule:
    """Builds the learning rate: linear warm-up from 0, then half a cosine, a constant, or steps.

    Without warm-up the rate starts at its peak.

    Args:
      config: ``optimizer.learning_rate`` for a batch of 256, scaled by ``data.batch_size / 256``
        (Goyal et al. 2017, https://arxiv.org/abs/1706.02677); ``optimizer.warmup``, the share
        of all steps that warm up; ``optimizer.schedule``, ``learning_rate_end`` and ``drops``;
        ``train.steps``.

    Returns:
      ``step -> learning rate``.
    """
    steps = config.train.steps
    peak = config.optimizer.learning_rate * config.data.batch_size / 256
    warmup = min(round(config.optimizer.warmup * steps), steps - 1)
    if config.optimizer.schedule == "cosine":
        end = config.optimizer.learning_rate_end
        return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps, end)
    if config.optimizer.schedule == "steps":
        return _steps(peak, warmup, [round(share * steps) for share in config.optimizer.drops])
    if warmup:
        return optax.warmup_constant_schedule(0.0, peak, warmup)
    return optax.constant_schedule(peak)  # optax's warm-up over 0 steps stays at 0


def _steps(peak: float, warmup: int, drops: Sequence[int]) -> optax.Schedule:
    def rate(step: Array | int) -> Array:
        warm = jnp.minimum(1, step / warmup) if warmup else 1.0
        dropped = (jnp.asarray(step)[..., None] >= jnp.array(drops)).sum(axis=-1)
        return peak * warm * 0.1**dropped

    return rate


def make(config: ConfigDict) -> optax.GradientTransformation:
    """Builds the optimizer of ``config.optimizer``.

    LARS's trust ratio applies to arrays with two or more axes, so not to biases and the scales of
    norms, and so does weight decay if ``weight_decay_of`` is ``matrices``.

    Args:
      config: ``optimizer``, whose ``SETTINGS`` are above; ``data.batch_size``; ``train.steps``.
        ``optimizer.groups.NAME`` has settings that differ for the parameters under a key ``NAME``,
        at any depth, which get an optimizer of their own.

    Returns:
      The gradient transformation.

    Raises:
      InputError: from its ``init``, if a group names no parameters.
    """
    groups = {name: _changed(config, block) for name, block in config.optimizer.groups.items()}
    if not groups:
        return _make(config)

    def owners(params: Any) -> Any:
        owned = {key: _owner(key, part, groups) for key, part in params.items()}
        for name in groups:
            if name not in jax.tree.leaves(owned):
                raise InputError(
                    f"optimizer.groups.{name}: there are no such parameters; "
                    f"expected one of {', '.join(params)}"
                )
        return owned

    return optax.multi_transform(
        {"main": _make(config)} | {name: _make(changed) for name, changed in groups.items()}, owners
    )


def _owner(key: str, part: Any, groups: Container[str]) -> Any:
    """Returns the group of the parameters under a key, or of each part if they have several."""
    if key in groups:
        return key
    inner = {k: _owner(k, x, groups) for k, x in part.items()} if isinstance(part, dict) else {}
    return inner if set(jax.tree.leaves(inner)) - {"main"} else "main"


def _make(config: ConfigDict) -> optax.GradientTransformation:
    optimizer = OPTIMIZERS[config.optimizer.name](config, schedule(config), _decay(config))
    if config.optimizer.layer_decay < 1:
        optimizer = optax.chain(optimizer, by_depth(config.optimizer.layer_decay))
    if config.optimizer.clip_norm is None:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(config.optimizer.clip_norm), optimizer)


def by_depth(decay: float) -> optax.GradientTransformation:
    """Scales the updates of each block of a backbone by ``decay`` to the power of its depth.

    Depth counts from the output: 0 for what lies above the backbone and for a ViT's last norm, 1
    for the last block. Low blocks hold general features, which a new task should change less.

    Args:
      decay: the factor from one block to the one below, in (0, 1].

    Returns:
      The gradient transformation. A backbone is the parameters below a key ``backbone``.

    References:
      Clark et al., ELECTRA, 2020, https://arxiv.org/abs/2003.10555, and for ViTs BEiT and MAE,
      whose code (``util/lr_decay.py``) counts in the same way.
    """

    def scaled(tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        return {key: of_backbone(x) if key == "backbone" else scaled(x) for key, x in tree.items()}

    def of_backbone(tree: Any) -> Any:
        parts = blocks(tree)
        result = parts.pop("norm", {})
        for depth, part in enumerate(reversed(parts.values()), start=1):
            result = merged(result, jax.tree.map(lambda x, f=decay**depth: x * f, part))
        return result

    return optax.stateless(lambda updates, _: scaled(updates))


def _changed(config: ConfigDict, block: ConfigDict) -> ConfigDict:
    """Returns the config with the settings of a group in place of those for all parameters."""
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
    return optax.adamw(rate, b1, b2, weight_decay=decay, mask=_decayed(config))


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
        weight_decay_mask=_decayed(config),
        trust_coefficient=config.optimizer.trust_coefficient,
        trust_ratio_mask=_matrices,
        momentum=config.optimizer.momentum,
    )


def _sgd(
    config: ConfigDict, rate: optax.Schedule, decay: optax.Schedule | float
) -> optax.GradientTransformation:
    return optax.chain(
        optax.add_decayed_weights(decay, mask=_decayed(config)),
        optax.sgd(rate, momentum=config.optimizer.momentum),
    )


def _decayed(config: ConfigDict) -> Callable[[Any], Any]:
    """Returns the mask of the arrays that decay, as a function of the parameters."""
    if config.optimizer.weight_decay_of == "matrices":
        return _matrices
    return lambda params: jax.tree.map(lambda _: True, params)


def _matrices(params: Any) -> Any:
    """Returns a mask of the arrays with two or more axes."""
    return jax.tree.map(lambda x: x.ndim > 1, params)


OPTIMIZERS = {"adamw": _adamw, "lars": _lars, "sgd": _sgd}
