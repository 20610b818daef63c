"""What the papers do to an image, as one augmentation each."""

from functools import partial

from ssl_jax.augment.blur import gaussian_blur
from ssl_jax.augment.color import color_jitter, grayscale, solarize
from ssl_jax.augment.compose import Augmentation, compose
from ssl_jax.augment.geometry import horizontal_flip, random_resized_crop


def simclr(
    *,
    size: int | tuple[int, int] | None = None,
    area: tuple[float, float] = (0.08, 1.0),
    strength: float = 1.0,
    blur: float = 0.5,
) -> Augmentation:
    """SimCLR's views: crop, flip, jitter, grey, blur.

    Args:
      size: of the views, ``(h, w)`` or one number for both; None keeps the image's.
      area: smallest and largest share of the image that a crop takes.
      strength: of the colour jitter; the paper has 1 on ImageNet and 0.5 on CIFAR-10.
      blur: probability of blurring; the paper has 0.5 on ImageNet and 0 on CIFAR-10.

    Returns:
      ``f(key, image) -> image``; both views are drawn from it.

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
    crop = partial(random_resized_crop, size=size, area=area)
    blurred = [partial(gaussian_blur, probability=blur)] if blur > 0 else []
    return compose(crop, horizontal_flip, jitter, grayscale, *blurred)


def byol(
    *, size: int | tuple[int, int] | None = None, area: tuple[float, float] = (0.08, 1.0)
) -> tuple[Augmentation, Augmentation]:
    """BYOL's two unlike views: the first always blurred, the second seldom and sometimes solarised.

    Args:
      size: of the views, ``(h, w)`` or one number for both; None keeps the image's.
      area: smallest and largest share of the image that a crop takes.

    Returns:
      ``(f, g)``, each ``f(key, image) -> image``, for the first and the second view.

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, Table 6, https://arxiv.org/abs/2006.07733
    """
    shared = _cropped_and_coloured(size, area)
    first = compose(shared, partial(gaussian_blur, probability=1.0))
    second = compose(shared, partial(gaussian_blur, probability=0.1), solarize)
    return first, second


def multicrop(
    *,
    size: int | tuple[int, int] | None = None,
    area: tuple[float, float] = (0.4, 1.0),
    small_size: int | tuple[int, int],
    small_area: tuple[float, float] = (0.05, 0.4),
) -> tuple[Augmentation, Augmentation, Augmentation]:
    """DINO's large crops, which are BYOL's two, and its small ones.

    Args:
      size: of the large crops, ``(h, w)`` or one number for both; None keeps the image's.
      area: smallest and largest share of the image that they take.
      small_size: of the small crops.
      small_area: smallest and largest share of the image that they take.

    Returns:
      ``(f, g, h)``, each ``f(key, image) -> image``: the first and the second large crop, and a
      small one, of which any number may be drawn.

    References:
      Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021, section 3.2
      and appendix, https://arxiv.org/abs/2104.14294
    """
    small = _cropped_and_coloured(small_size, small_area)
    return *byol(size=size, area=area), compose(small, partial(gaussian_blur, probability=0.5))


def _cropped_and_coloured(
    size: int | tuple[int, int] | None, area: tuple[float, float]
) -> Augmentation:
    jitter = partial(color_jitter, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    crop = partial(random_resized_crop, size=size, area=area)
    return compose(crop, horizontal_flip, jitter, grayscale)


def crop_and_flip(
    *, size: int | tuple[int, int] | None = None, area: tuple[float, float] = (0.2, 1.0)
) -> Augmentation:
    """What methods use that learn from pixels or places: a crop, seldom small, and a flip.

    Args:
      size: of the view, ``(h, w)`` or one number for both; None keeps the image's.
      area: smallest and largest share of the image that the crop takes.

    Returns:
      ``f(key, image) -> image``.

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, appendix A.1,
      https://arxiv.org/abs/2111.06377
    """
    return compose(partial(random_resized_crop, size=size, area=area), horizontal_flip)
