"""Mixing of examples: ``f(key, images, targets, *, alpha) -> images, targets``, on a whole batch.

Example ``i`` is mixed with example ``n - 1 - i``, as in timm. The authors' implementations permute
the batch at random; where it is in random order already, reversing it does as well and needs no
draw. If ``n`` is odd, the example in the middle is mixed with itself.

If the batch is sharded over devices along ``n``, reversing it moves images between the devices.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Scalar

Images = Float[Array, "_ _ _ c"]
Targets = Float[Array, "_ k"]


def mixup(
    key: PRNGKeyArray, images: Images, targets: Targets, *, alpha: float = 0.8
) -> tuple[Images, Targets]:
    """Blends every image, and its target, with another one.

    ``x = lambda x_i + (1 - lambda) x_j`` and ``y = lambda y_i + (1 - lambda) y_j``, with
    ``j = n - 1 - i``. The network learns to change its predictions linearly from one example to
    another. The whole batch shares one ``lambda``, drawn from Beta(alpha, alpha).

    Args:
      key: PRNG key.
      images: ``[n, h, w, c]`` in [0, 1], or normalized.
      targets: ``[n, k]``, one-hot or other probabilities.
      alpha: above 0; small values leave one of the two images almost alone.

    Returns:
      Images ``[n, h, w, c]`` and targets ``[n, k]``.

    Examples:
      >>> import jax
      >>> from ssl_jax.augment.mixing import mixup
      >>> images, targets = jax.numpy.zeros((8, 32, 32, 3)), jax.numpy.eye(8, 10)
      >>> images, targets = jax.jit(mixup)(jax.random.key(0), images, targets)
      >>> images.shape, targets.shape
      ((8, 32, 32, 3), (8, 10))

    References:
      Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018, equation 1,
      https://arxiv.org/abs/1710.09412. The default alpha is DeiT's.
    """
    _check_lengths(images, targets)
    share = jax.random.beta(key, alpha, alpha, dtype=images.dtype)
    return _blend(images, share), _blend(targets, share)


def cutmix(
    key: PRNGKeyArray, images: Images, targets: Targets, *, alpha: float = 1.0
) -> tuple[Images, Targets]:
    """Replaces a box of every image by the same box of another image, and mixes their targets.

    The network has to recognize an object by the parts that are still visible. ``lambda`` is drawn
    from Beta(alpha, alpha), and the box's center uniformly over the image, once per batch. The box
    has the image's shape and the fraction ``1 - lambda`` of its area. It is rounded to whole
    pixels and clipped at the border. Then ``lambda`` becomes the exact fraction of pixels that were
    kept, and ``y = lambda y_i + (1 - lambda) y_j`` with ``j = n - 1 - i``.

    Args:
      key: PRNG key.
      images: ``[n, h, w, c]`` in [0, 1], or normalized.
      targets: ``[n, k]``, one-hot or other probabilities.
      alpha: above 0; with 1, ``lambda`` is uniform before it is corrected.

    Returns:
      Images ``[n, h, w, c]`` and targets ``[n, k]``.

    Examples:
      >>> import jax
      >>> from ssl_jax.augment.mixing import cutmix
      >>> images, targets = jax.numpy.zeros((8, 32, 32, 3)), jax.numpy.eye(8, 10)
      >>> images, targets = jax.jit(cutmix)(jax.random.key(0), images, targets)
      >>> images.shape, targets.shape
      ((8, 32, 32, 3), (8, 10))

    References:
      Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
      Features, 2019, algorithm A1, https://arxiv.org/abs/1905.04899
    """
    _check_lengths(images, targets)
    _, h, w, _ = images.shape
    replaced = _box(key, h, w, alpha)
    kept = 1 - replaced.mean(dtype=targets.dtype)
    images = jnp.where(replaced[:, :, None], images[::-1], images)
    return images, _blend(targets, kept)


def _box(key: PRNGKeyArray, h: int, w: int, alpha: float) -> Bool[Array, "h w"]:
    """Draws a box and returns which pixels it contains."""
    share_key, center_key = jax.random.split(key)
    side = jnp.sqrt(1 - jax.random.beta(share_key, alpha, alpha))
    y, x = jax.random.uniform(center_key, (2,))
    rows, columns = _interval(h, y, side), _interval(w, x, side)
    return rows[:, None] & columns[None]


def _interval(size: int, center: Scalar, length: Scalar) -> Bool[Array, " size"]:
    """Marks the pixels from ``center - length / 2`` to ``center + length / 2``, as fractions."""
    start = jnp.round(size * jnp.maximum(center - length / 2, 0.0))
    stop = jnp.round(size * jnp.minimum(center + length / 2, 1.0))
    pixels = jnp.arange(size, dtype=start.dtype)
    return (pixels >= start) & (pixels < stop)


def _blend(x: Array, share: Scalar) -> Array:
    return share * x + (1 - share) * x[::-1]


def _check_lengths(images: Images, targets: Targets) -> None:
    if len(images) != len(targets):
        raise ValueError(f"expected one target per image: {len(targets)} for {len(images)}")
