"""SimCLR as a user of lightly writes it: its transform and loss, PyTorch's loader with two workers.

The network is ``resnet_small`` with its 4x4 feature grid, and SimCLR's projector. This module does
not import JAX.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lightly.loss import NTXentLoss
from lightly.transforms import SimCLRTransform
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision.models.resnet import BasicBlock


def epoch(images: np.ndarray, batch: int) -> Callable[[], None]:
    """Returns a call that trains for an epoch on uint8 ``[n, h, h, 3]``; its workers stay alive."""
    transform = SimCLRTransform(input_size=images.shape[1], cj_strength=0.5, gaussian_blur=0.0)
    views = [(transform, Image.fromarray(image)) for image in images]
    loader: Any = DataLoader(
        views, batch, collate_fn=_collate, num_workers=2, persistent_workers=True
    )
    step = first_step()

    def call() -> None:
        for pair in loader:
            step(pair)

    return call


def first_step() -> Callable[[Any], None]:
    """Returns a training step on the views of a batch, ``[2 * n, 3, h, w]``."""
    model = _torch_network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    criterion = NTXentLoss(temperature=0.5)

    def step(pair: Any) -> None:
        optimizer.zero_grad()
        images = pair.contiguous(memory_format=torch.channels_last)
        criterion(*model(images).chunk(2)).backward()
        optimizer.step()

    return step


def _collate(examples: list[Any]) -> Any:
    pairs = [transform(picture) for transform, picture in examples]
    return torch.stack([view for views in zip(*pairs, strict=True) for view in views])


def _torch_network() -> Any:
    """Builds ``resnet_small`` with its 4x4 feature grid, and the projector."""

    def block(i: int, o: int) -> nn.Module:
        down = nn.Sequential(nn.Conv2d(i, o, 1, 2, bias=False), nn.BatchNorm2d(o))
        return BasicBlock(i, o, 2, down)

    return nn.Sequential(
        nn.ZeroPad2d((1, 2, 1, 2)),
        nn.Conv2d(3, 16, 4, 2, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        block(16, 32),
        block(32, 64),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(64 * 16, 512, bias=False),
        nn.BatchNorm1d(512),
        nn.ReLU(),
        nn.Linear(512, 128),
    )
