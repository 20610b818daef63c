"""MAE ViT-B/16 on 256 images of 224 px: 75 % masked; decoder of width 512, 8 blocks, 16 heads.

Ours is the paper preset of ``configs/mae.py`` at this batch size: normalized targets, AdamW. Our
step crops, flips and draws the masks on the device. PyTorch gets its crops ready-made, draws the
masks and updates with fused AdamW.
"""

from collections.abc import Iterator
from typing import Any

from experiments.benchmarks.gpu import flops, table
from experiments.benchmarks.gpu.job import Job
from experiments.benchmarks.race import Contestant

IMAGES, SIDE = 256, 224
PIECE = table.Piece(
    "MAE ViT-B/16, 256 images, 224 px", "bfloat16", IMAGES, flops.step(IMAGES * flops.mae(SIDE))
)


def rows(chip: table.Chip, until: float) -> Iterator[list[table.Row]]:
    """Yields one row per peer."""
    peers = [Contestant("PyTorch", peer, (False,)), Contestant("PyTorch compiled", peer, (True,))]
    yield table.race(PIECE, chip, until, Contestant("ssl_jax, with its crops", ours), peers)


def ours(images: int = IMAGES, side: int = SIDE, **changes: Any) -> Job:
    """Builds our training step."""
    from experiments.benchmarks.gpu.ours import method_step

    return method_step(settings(images, side, **changes))


def settings(images: int = IMAGES, side: int = SIDE, **changes: Any) -> Any:
    """Returns the paper preset at this batch size and image side, with more changes."""
    from configs import mae
    from experiments.benchmarks.gpu.ours import published

    return published(mae.get_config("paper"), images, side, **changes)


def peer(compiled: bool, images: int = IMAGES, side: int = SIDE, device: str = "cuda") -> Job:
    """Builds the same step in PyTorch."""
    import torch

    from experiments.benchmarks.gpu import torch_job, torch_networks

    torch_job.settle()
    model = torch_networks.MAE(side).to(device, memory_format=torch.channels_last)
    crops = torch_networks.images(images, side, device)

    def loss(crops: torch.Tensor) -> torch.Tensor:
        with torch_job.autocast(device):
            return model(crops)

    optimizer = torch.optim.AdamW(
        model.parameters(), 1.5e-4, (0.9, 0.95), weight_decay=0.05, fused=True
    )
    call = torch_job.maybe_compiled(loss, compiled)
    return torch_job.job(torch_job.training(lambda: call(crops), optimizer), device, compiled)
