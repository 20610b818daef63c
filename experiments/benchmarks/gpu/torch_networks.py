"""The peers' networks: torchvision's ResNet-50 and timm's ViT, with the methods' heads."""

from functools import partial
from typing import Any

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn
from torch.nn import functional as f
from torchvision.models import resnet50

_norm = partial(nn.LayerNorm, eps=1e-6)


def simclr_resnet50(hidden: int = 2048, out: int = 128) -> nn.Module:
    """Builds ResNet-50 with SimCLR's projector."""
    backbone = resnet50(weights=None)
    backbone.fc = nn.Sequential(
        nn.Linear(2048, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, out),
    )
    return backbone


def vit(side: int, width: int, heads: int, depth: int = 12, *, any_size: bool = False) -> nn.Module:
    """Builds a ViT/16 that returns the class token; ``any_size`` interpolates its positions."""
    return VisionTransformer(
        img_size=side,
        patch_size=16,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        num_classes=0,
        norm_layer=_norm,
        dynamic_img_size=any_size,
    )


class MAE(nn.Module):
    """ViT-B/16 and MAE's decoder; returns the loss with normalized patches as targets."""

    def __init__(self, side: int, kept: float = 0.25):
        super().__init__()
        count, width, narrow = (side // 16) ** 2, 768, 512
        self.kept = round(count * kept)
        self.embedding = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, count + 1, width))
        self.encoder = _blocks(12, width, 12)
        self.norm = _norm(width)
        self.decoder_embedding = nn.Linear(width, narrow)
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, narrow))
        self.decoder = _blocks(8, narrow, 16)
        self.decoder_norm = _norm(narrow)
        self.head = nn.Linear(narrow, 16 * 16 * 3)
        self.register_buffer("decoder_positions", 0.02 * torch.randn(1, count, narrow))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the mean squared error over the masked patches."""
        x = self.embedding(images).flatten(2).transpose(1, 2) + self.positions[:, 1:]
        n, count, _ = x.shape
        visible = torch.rand(n, count, device=x.device).argsort(1)[:, : self.kept, None]
        visible_tokens = x.gather(1, visible.expand(-1, -1, x.shape[2]))
        class_token = (self.token + self.positions[:, :1]).expand(n, -1, -1)
        code = self.decoder_embedding(
            self.norm(self.encoder(torch.cat([class_token, visible_tokens], 1)))
        )
        masks = self.mask_token.to(code.dtype).expand(n, count, -1)
        tokens = masks.scatter(1, visible.expand(-1, -1, code.shape[2]), code[:, 1:])
        decoder_input = torch.cat([code[:, :1], tokens + self.decoder_positions], 1)
        predictions = self.head(self.decoder_norm(self.decoder(decoder_input)))[:, 1:].float()
        masked = torch.ones(n, count, device=x.device).scatter(1, visible[..., 0], 0.0)
        return ((predictions - _targets(images)).square().mean(-1) * masked).sum() / masked.sum()


def _targets(images: torch.Tensor) -> torch.Tensor:
    """Returns patches ``[n, t, 768]``, each normalized by its own mean and standard deviation."""
    patches = f.pixel_unshuffle(images, 16).flatten(2).transpose(1, 2)
    variance, mean = torch.var_mean(patches, -1, keepdim=True)
    return (patches - mean) * torch.rsqrt(variance + 1e-6)


def _blocks(depth: int, width: int, heads: int) -> nn.Module:
    return nn.Sequential(
        *(Block(width, heads, qkv_bias=True, norm_layer=_norm) for _ in range(depth))
    )


class DINO(nn.Module):
    """ViT-S/16 and DINO's 3-layer head; returns float32 logits over the prototypes."""

    def __init__(self, side: int, prototypes: int, hidden: int = 2048, bottleneck: int = 256):
        super().__init__()
        self.backbone = vit(side, 384, 6, any_size=True)
        self.head = nn.Sequential(
            nn.Linear(384, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        self.prototypes = nn.Parameter(0.02 * torch.randn(prototypes, bottleneck))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the cosine similarities to the prototypes."""
        x = f.normalize(self.head(self.backbone(images)), dim=-1)
        return f.linear(x, f.normalize(self.prototypes, dim=-1)).float()


def nt_xent(z: torch.Tensor, temperature: float) -> torch.Tensor:
    """Returns the mean NT-Xent of ``[2n, d]``, all first views before all second views."""
    z = f.normalize(z, dim=1)
    scores = ((z / temperature) @ z.T).fill_diagonal_(-torch.inf)
    others = torch.arange(len(z), device=z.device).roll(len(z) // 2)
    return f.cross_entropy(scores, others)


def images(count: int, side: int, device: str) -> torch.Tensor:
    """Returns noise as normalized views, in channels_last memory format."""
    drawn: Any = torch.randn(count, 3, side, side, device=device)
    return drawn.contiguous(memory_format=torch.channels_last)
