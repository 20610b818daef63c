"""ViT-B/16 forward and backward: the gradient of the mean square of the class token's features.

The section ``vit`` has 256 images of 224 px; ``vit448`` has 64 images of 448 px, which are 785
tokens each. There is no optimizer.
"""

from collections.abc import Iterator
from typing import Any

from experiments.benchmarks.gpu import flops, table
from experiments.benchmarks.gpu.job import Job
from experiments.benchmarks.race import Contestant


def rows(chip: table.Chip, until: float) -> Iterator[list[table.Row]]:
    """Yields one row per peer, at 224 px."""
    yield _rows(chip, until, 256, 224)


def rows_at_448(chip: table.Chip, until: float) -> Iterator[list[table.Row]]:
    """Yields one row per peer, at 448 px."""
    yield _rows(chip, until, 64, 448)


def _rows(chip: table.Chip, until: float, images: int, side: int) -> list[table.Row]:
    piece = table.Piece(
        f"ViT-B/16 forward and backward, {images} images, {side} px",
        "bfloat16",
        images,
        flops.step(images * flops.vit(side, 768, 12)),
    )
    peers = [
        Contestant("PyTorch", peer, (False, images, side)),
        Contestant("PyTorch compiled", peer, (True, images, side)),
    ]
    return table.race(piece, chip, until, Contestant("ssl_jax", ours, (images, side)), peers)


def ours(images: int, side: int, **changes: Any) -> Job:
    """Builds ours, with the backbone of ``configs/mae.py``'s paper preset."""
    import jax
    import jax.numpy as jnp

    from configs import mae
    from experiments.benchmarks.gpu.ours import CHANNELS, function, published
    from ssl_jax.nn import backbones, from_module

    config = published(mae.get_config("paper"), images, side, **changes)
    network = from_module(lambda rngs: backbones.make(config, rngs))
    params, stats = network.init(jax.random.key(0))
    pixels = jax.random.normal(jax.random.key(1), (images, side, side, CHANNELS))

    def loss(params: Any, stats: Any, pixels: jax.Array) -> jax.Array:
        layers, _ = network.apply(params, stats, pixels, train=True)
        return jnp.mean(layers["features"] ** 2)

    return function(jax.value_and_grad(loss), params, stats, pixels)


def peer(compiled: bool, images: int, side: int, device: str = "cuda") -> Job:
    """Builds the same in PyTorch with timm's ViT."""
    import torch

    from experiments.benchmarks.gpu import torch_job, torch_networks

    torch_job.settle()
    model = torch_networks.vit(side, 768, 12).to(device, memory_format=torch.channels_last)
    pixels = torch_networks.images(images, side, device)

    def loss(pixels: torch.Tensor) -> torch.Tensor:
        with torch_job.autocast(device):
            features = model(pixels)
        return features.float().square().mean()

    call = torch_job.maybe_compiled(loss, compiled)

    def step() -> None:
        model.zero_grad()
        call(pixels).backward()

    return torch_job.job(step, device, compiled)
