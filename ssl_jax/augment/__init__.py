"""Augmentations that run on the device: ``f(key, image, *, ...) -> image``.

Each takes a single image; ``jax.vmap`` makes it work on a batch. Only ``mixup`` and ``cutmix`` take
a batch, with its targets. Images are ``[h, w, c]`` float32 in [0, 1] with one or three channels,
before and after. The deterministic counterparts of random functions are in the same modules:
``crop_and_resize``, ``center_crop``, ``blur``, ``adjust_hue``; RandAugment's are in ``operations``.
"""

from ssl_jax.augment import corruptions as corruptions
from ssl_jax.augment import operations as operations
from ssl_jax.augment import recipes as recipes
from ssl_jax.augment.aberration import drop_colors as drop_colors
from ssl_jax.augment.blur import gaussian_blur as gaussian_blur
from ssl_jax.augment.color import color_jitter as color_jitter
from ssl_jax.augment.color import grayscale as grayscale
from ssl_jax.augment.color import solarize as solarize
from ssl_jax.augment.compose import compose as compose
from ssl_jax.augment.erasing import random_erasing as random_erasing
from ssl_jax.augment.geometry import horizontal_flip as horizontal_flip
from ssl_jax.augment.geometry import random_crop as random_crop
from ssl_jax.augment.geometry import random_resized_crop as random_resized_crop
from ssl_jax.augment.geometry import random_square as random_square
from ssl_jax.augment.mixing import cutmix as cutmix
from ssl_jax.augment.mixing import mixup as mixup
from ssl_jax.augment.randaugment import randaugment as randaugment
from ssl_jax.augment.turns import rotate90 as rotate90
