"""Fine-tuning (He et al. 2022, https://arxiv.org/abs/2111.06377).

    python experiments/finetune.py \
        --config configs/finetune.py:from=runs/simclr,data=folder:/labelled,labels=10 \
        --workdir runs/tuned

``from=`` is the run whose backbone training starts from; without it, training starts from scratch.
``labels=`` is the number of labeled examples per class; all by default. The network has to be that
of the run: ``--config.network.name=vit_nano --config.network.patch_size=7`` for ``configs/mae.py``.

default: 10,000 labeled Fashion-MNIST images, the small ResNet of ``configs/simclr.py``, 2,000
steps of batches of 128, crops and flips. With 10 labels per class,
``--config.method.augment.name=none`` was better (docs/results.md).
smoke: 8 steps, for tests.
gpu: 224 x 224 pixels, ResNet-50, AdamW, RandAugment, 100 epochs; docs/presets.md. On an H200: 72 ms
per step, 11 GiB; scores not measured.
paper: MAE's recipe for ViT-B on ImageNet (table 9, and the authors' FINETUNE.md for what differs
on normalized pixels): batch size 1024, AdamW with a learning rate that decays by layer, 100
epochs, RandAugment, mixup, CutMix and random erasing. Published: 83.6 top-1 from MAE (table 3).
Not measured here.
"""

from ml_collections import ConfigDict

from configs import common

_FURTHER = {"from": str, "labels": int}


def get_config(arg: str | None = None) -> ConfigDict:
    """Builds the config of a preset; see ``configs/common.py``."""
    config = common.build(
        "finetune", arg, default=_default, gpu=_gpu, paper=_paper, further=_FURTHER
    )
    values = common.parse(arg, _FURTHER).values
    with config.unlocked():
        if "from" in values:
            config.init_from = values["from"]
        if "labels" in values:
            config.data.labels = values["labels"]
    return config


def _default(config: ConfigDict) -> None:
    common.small_resnet(config)
    config.method.augment.area = (0.8, 1.0)
    config.train.steps = 2000
    config.optimizer.update({"learning_rate": 8e-3, "weight_decay": 0.05})


def _gpu(config: ConfigDict) -> None:
    """A common recipe for ResNets; it is of no paper."""
    common.gpu_resnet(config)
    config.optimizer.update({"learning_rate": 1e-3, "weight_decay": 0.05, "warmup": 0.05})
    config.method.label_smoothing = 0.1
    config.method.augment.name = "randaugment"


def _paper(config: ConfigDict) -> None:
    """Table 9; the rate, its decay and erasing as in FINETUNE.md for ViT-B."""
    common.imagenet_vit(config)
    config.network.update({"name": "vit_base", "pool": "mean"})
    config.data.batch_size = 1024
    config.train.epochs = 100.0
    config.optimizer.update(
        {"learning_rate": 5e-4, "weight_decay": 0.05, "warmup": 0.05, "layer_decay": 0.65}
    )
    config.method.update({"mixup": 0.8, "cutmix": 1.0, "label_smoothing": 0.1, "drop_path": 0.1})
    config.method.augment.update({"name": "randaugment", "erasing": 0.25})
