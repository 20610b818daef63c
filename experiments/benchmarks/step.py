"""Training steps on 128 images of 32x32, compared with PyTorch: forward, backward, SGD.

``SimCLR ResNet-18`` (3x3 stem) gets 2 x 64 ready-made views; ``ViT-Tiny/4`` classifies 10 classes
from the mean of its tokens. PyTorch uses torchvision's ResNet, lightly's loss,
``scaled_dot_product_attention``, channels_last and all threads; its bfloat16 is autocast. In
bfloat16 ours keeps weights, sums and statistics in float32.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from experiments.benchmarks.race import Contestant, Track, Work, compare, temporaries
from ssl_jax import config, methods
from ssl_jax.nn import backbones, from_module

N, SIZE, CLASSES, TEMPERATURE = 128, 32, 10, 0.5
PROJECTOR = (2048, 128)
RATE, MOMENTUM = 0.06, 0.9
PRECISIONS = ("float32", "bfloat16")


def rows(lanes: Track) -> Iterator[str | list[dict[str, Any]]]:
    """Yields a description before each race, and its rows after it."""
    for title, ours, peer in (
        ("SimCLR ResNet-18", simclr, torch_simclr),
        ("ViT-Tiny/4", vit, torch_vit),
    ):
        for precision in PRECISIONS:
            yield f"{title}, {precision}"
            peers = [
                Contestant("PyTorch", peer, (precision, False)),
                Contestant("PyTorch compiled", peer, (precision, True)),
            ]
            mine = Contestant("ssl_jax", ours, (precision,), bfloat16=precision == "bfloat16")
            yield compare(lanes, title, precision, mine, peers, rounds=5)


def simclr(precision: str) -> Work:
    """Builds our SimCLR step, with the method's own loss."""
    settings = _settings("resnet18", precision)
    settings.network.stem = "small"
    settings.method = {
        "name": "simclr",
        "temperature": TEMPERATURE,
        "projector": PROJECTOR,
        "augment": {},
    }
    method = methods.make(settings)
    views = jax.random.uniform(jax.random.key(0), (2, N // 2, SIZE, SIZE, 3))
    image = jax.ShapeDtypeStruct(views.shape[1:], jnp.uint8)
    params, extra = method.init(jax.random.key(0), {"image": image})

    def loss(params: Any, extra: Any) -> Any:
        value, (extra, _) = method.loss(
            params, extra, {"image": views}, jax.random.key(0), jnp.int32(0)
        )
        return value, extra

    return _step(loss, params, extra)


def vit(precision: str) -> Work:
    """Builds our ViT step: a linear layer on the backbone's features, and cross-entropy."""
    settings = _settings("vit_tiny", precision)
    network = from_module(lambda rngs: backbones.make(settings, rngs))
    params, extra = network.init(jax.random.key(0))
    images = jax.random.uniform(jax.random.key(0), (N, SIZE, SIZE, 3))
    labels = jnp.arange(N) % CLASSES
    head = jnp.zeros((192, CLASSES))

    def loss(params: Any, extra: Any) -> Any:
        layers, extra = network.apply(params["backbone"], extra, images, train=True)
        scores = layers["features"] @ params["head"]
        return optax.losses.softmax_cross_entropy_with_integer_labels(scores, labels).mean(), extra

    return _step(loss, {"backbone": params, "head": head}, extra)


def _settings(network: str, precision: str) -> ConfigDict:
    settings = config.defaults()
    settings.data.update({"channels": 3, "image_size": SIZE, "mean": (0.0,) * 3, "std": (1.0,) * 3})
    settings.network.update({"name": network, "pool": "mean", "dtype": precision})
    return settings


def _step(loss: Callable[[Any, Any], Any], params: Any, extra: Any) -> Work:
    optimizer = optax.sgd(RATE, MOMENTUM)

    def step(params: Any, extra: Any, momentum: Any) -> Any:
        gradient, extra = jax.grad(loss, has_aux=True)(params, extra)
        updates, momentum = optimizer.update(gradient, momentum)
        return optax.apply_updates(params, updates), extra, momentum

    state = (params, extra, optimizer.init(params))
    compiled = jax.jit(step, donate_argnums=(0, 1, 2)).lower(*state).compile()
    held = [state]

    def call() -> None:
        held[0] = jax.block_until_ready(compiled(*held[0]))

    return Work(call, temporaries(compiled))


def torch_simclr(precision: str, compiled: bool) -> Work:
    """Builds the SimCLR step of torchvision's network, a projector and lightly's loss."""
    import torch
    from lightly.loss import NTXentLoss
    from torch import nn
    from torchvision.models import resnet18

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
    images = torch.rand(N, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    criterion = NTXentLoss(temperature=TEMPERATURE)
    return _torch_step(model, lambda z: criterion(*z.float().chunk(2)), images, precision, compiled)


def torch_vit(precision: str, compiled: bool) -> Work:
    """Builds the ViT step of the same network in PyTorch's own modules."""
    import torch
    from torch import nn
    from torch.nn import functional as f

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(192, eps=1e-6), nn.LayerNorm(192, eps=1e-6)
            self.qkv, self.out = nn.Linear(192, 576), nn.Linear(192, 192)
            self.mlp = nn.Sequential(nn.Linear(192, 768), nn.GELU(), nn.Linear(768, 192))

        def forward(self, x: Any) -> Any:
            qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, 3, 64)).permute(2, 0, 3, 1, 4)
            heads = f.scaled_dot_product_attention(*qkv)
            x = x + self.out(heads.transpose(1, 2).flatten(2))
            return x + self.mlp(self.norm2(x))

    class ViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 192, 4, 4)
            self.token = nn.Parameter(torch.zeros(1, 1, 192))
            self.positions = nn.Parameter(0.02 * torch.randn(1, 65, 192))
            self.blocks = nn.Sequential(*(Block() for _ in range(12)))
            self.norm, self.head = nn.LayerNorm(192, eps=1e-6), nn.Linear(192, CLASSES)

        def forward(self, images: Any) -> Any:
            x = self.patches(images).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
            return self.head(self.norm(self.blocks(x))[:, 1:].mean(1))

    labels = torch.arange(N) % CLASSES
    return _torch_step(
        ViT(),
        lambda z: f.cross_entropy(z.float(), labels),
        torch.rand(N, 3, SIZE, SIZE),
        precision,
        compiled,
    )


def _torch_step(
    model: Any, criterion: Callable[[Any], Any], images: Any, precision: str, compiled: bool
) -> Work:
    import torch

    optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM)
    network = torch.compile(model) if compiled else model

    def call() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            outputs = network(images)
        criterion(outputs).backward()
        optimizer.step()

    return Work(call)
