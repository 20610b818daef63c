"""MAE (He et al. 2022, https://arxiv.org/abs/2111.06377).

    python experiments/pretrain.py --config configs/mae.py --workdir runs/mae

default: 10,000 Fashion-MNIST images, a small ViT with patches of 7 x 7, 60 % of them hidden, 36
epochs of batches of 128; 5 minutes on 2 CPU cores. For images of another size, set
``--config.network.patch_size`` to a divisor of their side.
Scores (docs/results.md), seeds 0, 1, 2: mean ± standard deviation:
    learned / untrained / raw pixels
    kNN 83.9 ± 0.9 / 82.0 / 84.1
    linear 86.6 ± 0.5 / 86.1 / 85.0
    10 per class 73.0 ± 0.4 / 70.1 / 72.0
    its own task, seed 0: error 0.306, mean color 1.00
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ViT-S/16, AdamW; docs/presets.md. On an H200: 45 ms per step, 14 GiB; scores
not measured.
paper: ImageNet, ViT-B/16, batch size 4096, AdamW, 1600 epochs. Published: 68.0 linear top-1
(Table 3 and appendix). Not measured here.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    return common.build("mae", arg, default=_default, gpu=_gpu, paper=_paper)


def _default(config: ConfigDict) -> None:
    common.small_vit(config)
    config.method.update(
        {
            "mask_ratio": 0.6,
            "decoder_width": 64,
            "decoder_depth": 1,
            "decoder_heads": 1,
            "normalize_targets": False,
            "area": (0.5, 1.0),
        }
    )
    config.train.epochs = 36.0


def _gpu(config: ConfigDict) -> None:
    """The published rate and mask, on ViT-S; a tenth of the 100 epochs warms up."""
    common.gpu_vit(config)
    config.method.interpolation = "bicubic"
    config.optimizer.update(
        {"learning_rate": 1.5e-4, "weight_decay": 0.05, "betas": (0.9, 0.95), "warmup": 0.1}
    )


def _paper(config: ConfigDict) -> None:
    """Section 4 and appendix A.1."""
    common.imagenet_vit(config)
    config.network.name = "vit_base"
    config.method.interpolation = "bicubic"
    config.train.epochs = 1600.0
    config.data.batch_size = 4096
    config.optimizer.update(
        {"learning_rate": 1.5e-4, "weight_decay": 0.05, "betas": (0.9, 0.95), "warmup": 0.025}
    )
