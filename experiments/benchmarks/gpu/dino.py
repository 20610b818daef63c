"""DINO ViT-S/16 on 64 images, each with 2 crops of 224 px and 8 of 96 px; 65,536 prototypes.

Ours is the paper preset of ``configs/dino.py`` at this batch size: a 2048-2048-256 head, AdamW,
gradients clipped at 3. Our step draws its crops on the device; PyTorch gets its crops ready-made.
PyTorch's step also has the teacher, the center, the clipping and fused AdamW. FLOPs per step count
the student's forward and backward passes and the teacher's forward pass.
"""

from collections.abc import Iterator
from typing import Any

from experiments.benchmarks.gpu import flops, table
from experiments.benchmarks.gpu.job import Job
from experiments.benchmarks.race import Contestant

IMAGES, SIDE, SMALL, LARGE_VIEWS, SMALL_VIEWS, PROTOTYPES = 64, 224, 96, 2, 8, 65_536
_HEAD = flops.mlp((384, 2048, 2048, 256, PROTOTYPES))
_LARGE = LARGE_VIEWS * (flops.vit(SIDE, 384, 12) + _HEAD)
_SMALL = SMALL_VIEWS * (flops.vit(SMALL, 384, 12) + _HEAD)
PIECE = table.Piece(
    "DINO ViT-S/16, 64 images, 2 x 224 and 8 x 96 px",
    "bfloat16",
    IMAGES,
    flops.step(IMAGES * (_LARGE + _SMALL), without_gradient=IMAGES * _LARGE),
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
    from configs import dino
    from experiments.benchmarks.gpu.ours import published

    return published(dino.get_config("paper"), images, side, **changes)


def peer(
    compiled: bool,
    images: int = IMAGES,
    side: int = SIDE,
    small_side: int = SMALL,
    prototypes: int = PROTOTYPES,
    device: str = "cuda",
) -> Job:
    """Builds the same step in PyTorch."""
    import torch

    from experiments.benchmarks.gpu import torch_job, torch_networks

    torch_job.settle()
    last = torch.channels_last
    student, teacher = (
        torch_networks.DINO(side, prototypes).to(device, memory_format=last) for _ in range(2)
    )
    teacher.load_state_dict(student.state_dict())
    student_params, teacher_params = list(student.parameters()), list(teacher.parameters())
    large = torch_networks.images(LARGE_VIEWS * images, side, device)
    small = torch_networks.images(SMALL_VIEWS * images, small_side, device)
    center = torch.zeros(prototypes, device=device)

    def loss(
        large: torch.Tensor, small: torch.Tensor, center: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        with torch_job.autocast(device):
            logits = torch.cat([student(large), student(small)]).unflatten(0, (-1, images))
            with torch.no_grad():
                teacher_logits = teacher(large).unflatten(0, (-1, images))
        targets = torch.softmax((teacher_logits - center) / 0.04, -1)
        log_p = torch.log_softmax(logits / 0.1, -1)
        others = log_p.sum(0) - log_p[:LARGE_VIEWS]  # all views except the target's own
        pairs = LARGE_VIEWS * (len(log_p) - 1) * images
        return -(targets * others).sum() / pairs, teacher_logits.mean((0, 1))

    call = torch_job.maybe_compiled(loss, compiled)
    optimizer = torch.optim.AdamW(student_params, 5e-4, weight_decay=0.04, fused=True)
    means: list[torch.Tensor] = []

    def current_loss() -> torch.Tensor:
        value, mean = call(large, small, center)
        means[:] = [mean]
        return value

    @torch.no_grad()
    def update_teacher_and_center() -> None:
        torch._foreach_lerp_(teacher_params, student_params, 1 - 0.996)
        center.lerp_(means[0], 1 - 0.9)

    step = torch_job.training(
        current_loss,
        optimizer,
        update_teacher_and_center,
        lambda: torch.nn.utils.clip_grad_norm_(student_params, 3.0),
    )
    return torch_job.job(step, device, compiled)
