"""SimCLR's step with ResNet-18 (3x3 stem) on 2 x 64 views of 32x32, beside the same in PyTorch.

Forward, backward and the update (SGD with momentum) of the same network and loss; the views are
given. PyTorch: torchvision's network, lightly's loss, channels_last, all threads; bfloat16 under
autocast. Ours in bfloat16: weights and statistics in float32.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.benchmarks.race import Contestant, compare
from ssl_jax import config, methods

N, SIZE, TEMPERATURE = 64, 32, 0.5
PROJECTOR = (2048, 128)
RATE, MOMENTUM = 0.06, 0.9


def rows() -> Iterator[str | list[dict[str, Any]]]:
    """A text before each race, and its rows after it."""
    views = jax.random.uniform(jax.random.key(0), (2, N, SIZE, SIZE, 3))
    for precision in ("float32", "bfloat16"):
        yield f"SimCLR's step, {precision}"
        peers = _torch(views, precision)
        if peers:
            yield compare("SimCLR ResNet-18", precision, _ours(views, precision), peers, rounds=3)


def _ours(views: jax.Array, precision: str) -> Contestant:
    settings = config.defaults()
    settings.data.update({"channels": 3, "mean": (0.0,) * 3, "std": (1.0,) * 3})
    settings.network.update(
        {"name": "resnet18", "stem": "small", "pool": "mean", "dtype": precision}
    )
    settings.method = {
        "name": "simclr",
        "temperature": TEMPERATURE,
        "projector": PROJECTOR,
        "augment": {},
    }
    method = methods.make(settings)
    optimizer = optax.sgd(RATE, MOMENTUM)
    image = jax.ShapeDtypeStruct(views.shape[1:], jnp.uint8)
    params, extra = method.init(jax.random.key(0), {"image": image})

    def step(params: Any, extra: Any, momentum: Any, views: jax.Array) -> Any:
        def loss(params: Any) -> Any:
            return method.loss(params, extra, {"image": views}, jax.random.key(0), jnp.int32(0))

        gradient, (new, _) = jax.grad(loss, has_aux=True)(params)
        updates, momentum = optimizer.update(gradient, momentum)
        return optax.apply_updates(params, updates), new, momentum

    state = (params, extra, optimizer.init(params))
    compiled = jax.jit(step, donate_argnums=(0, 1, 2)).lower(*state, views).compile()
    memory = compiled.memory_analysis()
    held = [state]

    def call() -> None:
        held[0] = jax.block_until_ready(compiled(*held[0], views))

    return Contestant("ssl_jax", call, memory.temp_size_in_bytes / 2**20 if memory else None)


def _torch(views: jax.Array, precision: str) -> list[Contestant]:
    """As it is, and compiled; none if torchvision or lightly is not installed."""
    try:
        import torch
        from lightly.loss import NTXentLoss
        from torch import nn
        from torchvision.models import resnet18
    except ImportError:
        return []

    def contestant(name: str, compiled: bool) -> Contestant:
        backbone = resnet18(num_classes=1)
        backbone.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        backbone.maxpool, backbone.fc = nn.Identity(), nn.Identity()
        hidden, out = PROJECTOR
        head = nn.Sequential(
            nn.Linear(512, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, out),
        )
        model = nn.Sequential(backbone, head).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM)
        loss = NTXentLoss(temperature=TEMPERATURE)
        images = torch.tensor(jax.device_get(views.reshape(-1, *views.shape[2:])))
        images = images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        network = torch.compile(model) if compiled else model

        def call() -> None:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                z = network(images)
            loss(*z.float().chunk(2)).backward()
            optimizer.step()

        return Contestant(name, call)

    return [contestant("PyTorch", compiled=False), contestant("PyTorch compiled", compiled=True)]
