"""Records what timm computes with the weights of small networks of ours.

python -m tests.golden.make_timm

``timm.json`` holds, for each case, timm's features of a few images, and the shape and a
fingerprint of each array that timm loaded. Needs torch and timm.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from ssl_jax.export import timm
from ssl_jax.export.weights import Arrays, by_name
from ssl_jax.nn import from_module
from ssl_jax.nn.backbones.resnet import ResNet
from ssl_jax.nn.backbones.vit import ViT

GOLDEN = Path(__file__).parent / "timm.json"


class Case(NamedTuple):
    """A network of ours and the same one of timm."""

    make: Callable[..., nnx.Module]
    rename: Callable[[Arrays], Arrays]
    image_shape: tuple[int, ...]
    model: str
    kwargs: Mapping[str, Any]
    stem: str = "imagenet"


def _vit(pool: str) -> Case:
    sizes = {"patch_size": 2, "depth": 2}
    return Case(
        partial(ViT, channels=3, image_size=8, width=16, heads=2, pool=pool, **sizes),
        partial(timm.vit_arrays, patch_size=2),
        (8, 8, 3),
        "vit_tiny_patch16_224",
        {"img_size": 8, "embed_dim": 16, "num_heads": 2, "in_chans": 3, "fc_norm": False}
        | {"global_pool": "token" if pool == "cls" else "avg"}
        | sizes,
    )


def _resnet(stem: str, *, bottleneck: bool, side: int) -> Case:
    blocks, widths = (1, 1, 2, 1), (64, 4, 4, 8)
    return Case(
        partial(ResNet, channels=1, blocks=blocks, widths=widths, bottleneck=bottleneck, stem=stem),
        partial(timm.resnet_arrays, stem=stem),
        (side, side, 1),
        "resnet50" if bottleneck else "resnet18",
        {"layers": blocks, "channels": widths, "in_chans": 1},
        stem,
    )


CASES = {
    "vit_mean": _vit("mean"),
    "vit_cls": _vit("cls"),
    "resnet_imagenet": _resnet("imagenet", bottleneck=False, side=33),
    "resnet_bottleneck_small": _resnet("small", bottleneck=True, side=9),
    "resnet_patch": _resnet("patch", bottleneck=False, side=15),
}


def filled(tree: Any) -> Any:
    """Returns a tree of arrays with the shapes of another, of numbers that have been seeded."""
    rng = np.random.RandomState(0)  # its numbers never change

    def draw(path: Any, x: Any) -> np.ndarray:
        leaf = path[-1].key
        spread = (2 / np.prod(x.shape[:-1])) ** 0.5 if leaf == "kernel" else 0.3
        around = {"scale": 1.0, "var": 1.0, "bias": 0.2}.get(leaf, 0.0)
        return (around + rng.uniform(-spread, spread, x.shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, tree)


def weights_of(case: Case) -> tuple[Any, Any]:
    """Returns the parameters and statistics of the case's network."""
    network = from_module(lambda rngs: case.make(rngs=rngs))
    return filled(jax.eval_shape(network.init, jax.random.key(0)))


def images_of(case: Case) -> np.ndarray:
    """Returns normalized images ``[3, h, w, c]``."""
    return np.random.RandomState(1).normal(size=(3, *case.image_shape)).astype(np.float32)


def fingerprint(x: np.ndarray) -> float:
    """Returns a number that depends on the values of an array and their order."""
    return float(np.asarray(x, np.float64).ravel() @ np.linspace(1, 2, x.size))


def timm_features(
    model: str, kwargs: Mapping[str, Any], replace: Mapping[str, Any], arrays: Arrays, images: Any
) -> np.ndarray:
    """Runs timm on normalized images ``[n, h, w, c]``; its model takes exactly these arrays."""
    import torch
    from timm import create_model

    network = create_model(model, num_classes=0, **kwargs).eval()
    for name, (kind, arguments) in replace.items():
        setattr(network, name, getattr(torch.nn, kind)(**arguments))
    network.load_state_dict({name: torch.tensor(x) for name, x in arrays.items()}, strict=True)
    with torch.no_grad():
        return network(torch.tensor(np.moveaxis(images, -1, 1))).numpy()


def main() -> None:
    """Replaces the file."""
    found = {}
    for name, case in CASES.items():
        params, stats = weights_of(case)
        arrays = case.rename(by_name(params) | by_name(stats))
        replace = timm.replaced(case.stem, arrays["conv1.weight"]) if "resnet" in name else {}
        features = timm_features(case.model, case.kwargs, replace, arrays, images_of(case))
        found[name] = {
            "features": np.float64(features).round(6).tolist(),
            "arrays": {n: [list(x.shape), round(fingerprint(x), 3)] for n, x in arrays.items()},
        }
    lines = (f'"{name}": {json.dumps(values)}' for name, values in found.items())
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
