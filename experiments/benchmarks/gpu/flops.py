"""Closed-form counts of a step's floating-point operations.

Only convolutions and matrix products are counted, in multiply-adds (MACs); a MAC is 2 FLOPs. Norms,
activations, softmax, augmentation and the optimizer are left out. The backward pass has two
products for each product of the forward pass, so a step costs 3 times its forward pass.
"""

import itertools
from collections.abc import Sequence


def step(forward: float, without_gradient: float = 0.0) -> float:
    """Returns the FLOPs of a step from the forward MACs with and without a backward pass."""
    return 2 * (3 * forward + without_gradient)


def resnet50(side: int) -> float:
    """Returns MACs per image without the classifier; the 3x3 has the stride, as in torchvision."""
    size = side // 2
    total = 49 * 3 * 64 * size**2
    size //= 2
    features = 64
    for stage, (depth, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True)):
        for position in range(depth):
            smaller = size // 2 if stage > 0 and position == 0 else size
            total += features * width * size**2
            total += (9 * width * width + width * 4 * width) * smaller**2
            if position == 0:
                total += features * 4 * width * smaller**2
            features, size = 4 * width, smaller
    return total


def mlp(widths: Sequence[int]) -> float:
    """Returns MACs per row of linear layers; ``widths`` starts with the input's."""
    return sum(i * o for i, o in itertools.pairwise(widths))


def blocks(tokens: int, width: int, depth: int) -> float:
    """Returns MACs per sequence of transformer blocks whose MLP is 4 times as wide."""
    return depth * (12 * tokens * width**2 + 2 * tokens**2 * width)


def vit(side: int, width: int, depth: int, patch: int = 16) -> float:
    """Returns MACs per image: patch embedding, and blocks over the patches and a class token."""
    patches = (side // patch) ** 2
    return 3 * patch**2 * patches * width + blocks(patches + 1, width, depth)


def mae(side: int) -> float:
    """Returns MACs per image: ViT-B/16 on a quarter of the patches, the decoder on all of them."""
    patches = (side // 16) ** 2
    visible = round(patches / 4)
    encoder = 768 * patches * 768 + blocks(visible + 1, 768, 12)
    decoder = (visible + 1) * 768 * 512 + blocks(patches + 1, 512, 8) + (patches + 1) * 512 * 768
    return encoder + decoder


def nt_xent(n: int, d: int) -> float:
    """Returns the MACs of all pairwise scores of two views of ``n`` examples."""
    return (2 * n) ** 2 * d
