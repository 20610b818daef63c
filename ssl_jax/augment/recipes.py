"""The augmentations of published methods, each as one function of a key and an image.

On images with other than one or three channels, which have no known colors, color jitter, grayscale
and solarize are left out.
"""

from functools import partial

from jaxtyping import PRNGKeyArray

from ssl_jax.augment.blur import gaussian_blur
from ssl_jax.augment.checks import GRAY_OR_COLOR
from ssl_jax.augment.color import color_jitter, grayscale, solarize
from ssl_jax.augment.compose import Augmentation, Image, compose
from ssl_jax.augment.geometry import Interpolation, horizontal_flip, random_resized_crop


def on_colors(augmentation: Augmentation) -> Augmentation:
    """Restricts an augmentation to gray and color images; others are returned unchanged."""

    def restricted(key: PRNGKeyArray, image: Image) -> Image:
        return augmentation(key, image) if image.shape[-1] in GRAY_OR_COLOR else image

    return restricted


def simclr(
    *,
    size: int | tuple[int, int] | None = None,
    area: tuple[float, float] = (0.08, 1.0),
    strength: float = 1.0,
    blur: float = 0.5,
    interpolation: Interpolation = "bilinear",
) -> Augmentation:
    """Builds SimCLR's views: crop, flip, color jitter, grayscale, blur.

    Two views share an image's content, but neither its framing nor its colors. A network that
    matches them has to rely on the content.

    Args:
      size: size of the views, ``(h, w)`` or one number for both; None keeps the image's size.
      area: smallest and largest fraction of the image's area in a crop.
      strength: scale of the color jitter; the paper uses 1 on ImageNet and 0.5 on CIFAR-10.
      blur: probability of blurring; the paper uses 0.5 on ImageNet and 0 on CIFAR-10.
      interpolation: of crops; the authors' code has ``bicubic``.

    Returns:
      ``f(key, image) -> image``; both views are drawn from it.

    Examples:
      >>> import jax
      >>> from ssl_jax import augment
      >>> view = augment.recipes.simclr(size=32, strength=0.5, blur=0.0)
      >>> images = jax.numpy.zeros((8, 48, 48, 3))
      >>> keys = jax.random.split(jax.random.key(0), len(images))
      >>> jax.jit(jax.vmap(view))(keys, images).shape
      (8, 32, 32, 3)

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020,
      appendices A and B.9, https://arxiv.org/abs/2002.05709
    """
    jitter = partial(
        color_jitter,
        brightness=0.8 * strength,
        contrast=0.8 * strength,
        saturation=0.8 * strength,
        hue=0.2 * strength,
    )
    crop = partial(random_resized_crop, size=size, area=area, interpolation=interpolation)
    blurred = [partial(gaussian_blur, probability=blur)] if blur > 0 else []
    return compose(crop, horizontal_flip, on_colors(jitter), on_colors(grayscale), *blurred)


def byol(
    *,
    size: int | tuple[int, int] | None = None,
    area: tuple[float, float] = (0.08, 1.0),
    interpolation: Interpolation = "bilinear",
) -> tuple[Augmentation, Augmentation]:
    """Builds BYOL's two views, which are augmented differently.

    The first view is always blurred; the second is rarely blurred and sometimes solarized.

    Args:
      size: size of the views, ``(h, w)`` or one number for both; None keeps the image's size.
      area: smallest and largest fraction of the image's area in a crop.
      interpolation: of crops; the authors' code has ``bicubic``.

    Returns:
      ``(first, second)``, each ``f(key, image) -> image``.

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, Table 6, https://arxiv.org/abs/2006.07733
    """
    shared = _crop_and_recolor(size, area, interpolation)
    first = compose(shared, partial(gaussian_blur, probability=1.0))
    second = compose(shared, partial(gaussian_blur, probability=0.1), on_colors(solarize))
    return first, second


def multicrop(
    *,
    size: int | tuple[int, int] | None = None,
    area: tuple[float, float] = (0.4, 1.0),
    small_size: int | tuple[int, int],
    small_area: tuple[float, float] = (0.05, 0.4),
    interpolation: Interpolation = "bilinear",
) -> tuple[Augmentation, Augmentation, Augmentation]:
    """Builds DINO's large crops, which are BYOL's two views, and its small crops.

    A small crop shows a part of the image. Matching it to a large crop asks the network to infer
    the whole from a part, and small crops are cheap to encode.

    Args:
      size: size of the large crops, ``(h, w)`` or one number for both; None keeps the image's size.
      area: smallest and largest fraction of the image's area in a large crop.
      small_size: size of the small crops, ``(h, w)`` or one number for both.
      small_area: smallest and largest fraction of the image's area in a small crop.
      interpolation: of crops; the authors' code has ``bicubic``.

    Returns:
      ``(first, second, small)``, each ``f(key, image) -> image``: the two large crops, and a small
      crop, which may be drawn any number of times.

    References:
      Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021, section 3.2
      and appendix, https://arxiv.org/abs/2104.14294
    """
    small = _crop_and_recolor(small_size, small_area, interpolation)
    large = byol(size=size, area=area, interpolation=interpolation)
    return *large, compose(small, partial(gaussian_blur, probability=0.5))


def _crop_and_recolor(
    size: int | tuple[int, int] | None, area: tuple[float, float], interpolation: Interpolation
) -> Augmentation:
    jitter = partial(color_jitter, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    crop = partial(random_resized_crop, size=size, area=area, interpolation=interpolation)
    return compose(crop, horizontal_flip, on_colors(jitter), on_colors(grayscale))


def crop_and_flip(
    *,
    size: int | tuple[int, int] | None = None,
    area: tuple[float, float] = (0.2, 1.0),
    interpolation: Interpolation = "bilinear",
) -> Augmentation:
    """Builds a crop, rarely small, and a flip, for methods that learn from pixels or positions.

    These methods do not compare views, and work without color augmentation.

    Args:
      size: size of the view, ``(h, w)`` or one number for both; None keeps the image's size.
      area: smallest and largest fraction of the image's area in a crop.
      interpolation: of crops; the authors' code has ``bicubic``.

    Returns:
      ``f(key, image) -> image``.

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, appendix A.1,
      https://arxiv.org/abs/2111.06377
    """
    crop = partial(random_resized_crop, size=size, area=area, interpolation=interpolation)
    return compose(crop, horizontal_flip)
