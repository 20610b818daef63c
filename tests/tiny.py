"""Small data, networks and configs: 8x8 images and clips, 12 tokens, a batch size of 16."""

from functools import partial

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from ssl_jax import config as settings
from ssl_jax.data import Dataset, from_arrays, tokeniser
from ssl_jax.data.dataset import Arrays, gather
from ssl_jax.data.text import ASSET
from ssl_jax.methods.base import Method
from ssl_jax.nn import backbones
from ssl_jax.nn.backbones.gpt import GPT
from ssl_jax.nn.backbones.vit import ViT
from ssl_jax.placement import Placement, make_placement
from ssl_jax.train import optim
from ssl_jax.train.state import create
from ssl_jax.train.step import make_step

SIDE, BATCH, FRAMES = 8, 16, 7
TOKENS, VOCABULARY = 12, 270


def data(train: int = 40, test: int = 24, classes: int = 3, channels: int = 1) -> Dataset:
    """Builds images of a few classes: a bright bar in noise, whose position gives the class."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % classes
        images = rng.integers(0, 90, (count, SIDE, SIDE, channels), np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, 2 * label : 2 * label + 3] += 150
        return images, labels

    images, labels = draw(train)
    test_images, test_labels = draw(test)
    return from_arrays(images, labels, test_images=test_images, test_labels=test_labels)


def clips(train: int = 40, test: int = 24, channels: int = 1) -> Dataset:
    """Builds clips of a bright square moving right or left in noise; its row gives the class."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> Arrays:
        labels, motions = np.arange(count) % 3, np.arange(count) // 3 % 2
        videos = rng.integers(0, 90, (count, FRAMES, SIDE, SIDE, channels), np.uint8)
        for video, label, motion in zip(videos, labels, motions, strict=True):
            for time, frame in enumerate(video[:: 1 - 2 * motion]):
                frame[2 * label : 2 * label + 3, time : time + 2] += 150
        columns = {"label": labels.astype(np.int32), "motion": motions.astype(np.int32)}
        return Arrays({"video": videos} | columns)

    source = draw(train)
    facts = {"modality": "video", "image_size": SIDE, "channels": channels, "frames": FRAMES}
    facts |= {"mean": (0.25,) * channels, "std": (0.2,) * channels}
    names = {"motion": ("right", "left")}
    return Dataset(source, source, draw(test), ("0", "1", "2"), facts, further_labels=names)


def texts(train: int = 40, test: int = 24, classes: int = 3) -> Dataset:
    """Builds texts of a few classes, whose words use different letters."""
    rng = np.random.default_rng(0)
    words = [["".join(rng.choice(list(a), 4)) for _ in range(5)] for a in ("abc", "def", "ghi")]
    documents = [" ".join(rng.choice(own, 400)) for own in words[:classes]]
    trained = tokeniser.train(documents, VOCABULARY)
    each = -(-(train + test) // classes)
    encoded = tokeniser.encode(trained, documents, each * TOKENS)
    tokens = encoded.reshape(classes, each, TOKENS).swapaxes(0, 1).reshape(-1, TOKENS)
    labels = (np.arange(len(tokens)) % classes).astype(np.int32)
    rows = {"tokens": tokens, "label": labels}
    return Dataset(
        pretrain=Arrays({"tokens": tokens[:train]}),
        train=Arrays({name: column[:train] for name, column in rows.items()}),
        test=Arrays({name: column[train : train + test] for name, column in rows.items()}),
        label_names=tuple(f"class {i}" for i in range(classes)),
        facts={"modality": "text", "vocabulary": tokeniser.size(trained), "tokens": TOKENS},
        assets={ASSET: trained},
    )


def small_networks(patch: pytest.MonkeyPatch) -> None:
    """Replaces the smallest networks by smaller ones: compilation takes most of a test's time."""
    resnet = partial(backbones.resnet.ResNet, blocks=(1, 1), widths=(4, 8), bottleneck=False)
    patch.setitem(backbones.RESNETS, "resnet_small", resnet)
    patch.setitem(backbones.VITS, "vit_nano", partial(ViT, width=16, depth=1, heads=2))
    patch.setitem(backbones.GPTS, "gpt_nano", partial(GPT, width=16, depth=2, heads=2))


def config(**method: object) -> ConfigDict:
    """Builds a default config with a small batch size and the given method block."""
    tiny = settings.defaults()
    tiny.method = ConfigDict(method)
    tiny.data.batch_size = BATCH
    tiny.train.steps = 4
    tiny.train.log_every = 1
    tiny.train.checkpoint_every = 2
    tiny.evaluation.batch_size = 16
    return tiny


def resolved(base: ConfigDict, dataset: Dataset, devices: int = 8) -> ConfigDict:
    """Resolves a config for a dataset."""
    classes = dataset.label_names or ()
    return settings.resolve(base, dataset.facts, len(dataset.pretrain), devices, classes)


def placement(devices: int) -> Placement:
    """Returns the placement over the first devices."""
    return make_placement(jax.devices()[:devices])


def batch(dataset: Dataset) -> dict[str, np.ndarray]:
    """Returns the first training examples as a batch."""
    return gather(dataset.pretrain, np.arange(BATCH))


def rows(method: Method, config: ConfigDict, batch: dict[str, np.ndarray]) -> list[dict]:
    """Trains on one batch and one device; returns each step's metrics, as in ``metrics.jsonl``."""
    optimizer, one = optim.make(config), placement(1)
    state = one.put_state(create(method, optimizer, jax.random.key(0), batch))
    step = make_step(method, optimizer, one, state)
    key = one.put_state(jax.random.key(1))
    history = []
    for number in range(1, config.train.steps + 1):
        state, metrics = step(key, state, one.put_batch(batch))
        history.append({"step": number} | {name: float(v) for name, v in metrics.items()})
    return history
