"""SimCLR ResNet-50 on 256 images of 224 px, two views each.

Ours is the paper preset of ``configs/simclr.py`` at this batch size: projector 2048-128,
temperature 0.1, LARS. Our step draws its views on the device (crop, flip, color jitter of strength
1, blur). PyTorch gets its views ready-made and updates with fused SGD with momentum.
"""

from collections.abc import Iterator
from typing import Any

from experiments.benchmarks.gpu import flops, table
from experiments.benchmarks.gpu.job import Job
from experiments.benchmarks.race import Contestant

IMAGES, SIDE = 256, 224
PIECE = table.Piece(
    "SimCLR ResNet-50, 256 images x 2 views, 224 px",
    "bfloat16",
    IMAGES,
    flops.step(2 * IMAGES * (flops.resnet50(SIDE) + flops.mlp((2048, 2048, 128)))),
)
OURS = "ssl_jax, with its views"


def rows(chip: table.Chip, until: float) -> Iterator[list[table.Row]]:
    """Yields one row per peer."""
    peers = [Contestant("PyTorch", peer, (False,)), Contestant("PyTorch compiled", peer, (True,))]
    yield table.race(PIECE, chip, until, Contestant(OURS, ours), peers)


def ours(images: int = IMAGES, side: int = SIDE, **changes: Any) -> Job:
    """Builds our training step."""
    from experiments.benchmarks.gpu.ours import method_step

    return method_step(settings(images, side, **changes))


def settings(images: int = IMAGES, side: int = SIDE, **changes: Any) -> Any:
    """Returns the paper preset at this batch size and image side, with more changes."""
    from configs import simclr
    from experiments.benchmarks.gpu.ours import published

    return published(simclr.get_config("paper"), images, side, **changes)


def peer(compiled: bool, images: int = IMAGES, side: int = SIDE, device: str = "cuda") -> Job:
    """Builds the same step in PyTorch."""
    import torch

    from experiments.benchmarks.gpu import torch_job, torch_networks

    torch_job.settle()
    model = torch_networks.simclr_resnet50().to(device, memory_format=torch.channels_last)
    views = torch_networks.images(2 * images, side, device)

    def loss(views: torch.Tensor) -> torch.Tensor:
        with torch_job.autocast(device):
            z = model(views)
        return torch_networks.nt_xent(z.float(), 0.1)

    optimizer = torch.optim.SGD(model.parameters(), 0.3, 0.9, weight_decay=1e-6, fused=True)
    call = torch_job.maybe_compiled(loss, compiled)
    return torch_job.job(torch_job.training(lambda: call(views), optimizer), device, compiled)
