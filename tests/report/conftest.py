"""Runs to compare: finished and not, healthy and collapsed, of three modalities."""

import pytest

from ssl_jax.runs.entries import read_runs
from tests import fake_runs


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    write = fake_runs.write
    known = fake_runs.healthy(61) | {"chance_loss": 4.3}
    return read_runs(
        [
            write(root / "simclr", "simclr", row=known, method__temperature=0.2),
            write(
                root / "simclr-fast",
                "simclr",
                seed=1,
                lead=0.0,
                row=known,
                method__temperature=0.2,
                optimizer__learning_rate=0.01,
            ),
            write(root / "dino", "dino", lead=-0.05, row=fake_runs.collapsed()),
            write(root / "mae<i>", "mae", steps=3750, made=500),
            write(
                root / "text",
                "next_word",
                lead=None,
                values={"test_perplexity": 60.25, "bigram_perplexity": 98.75},
                data__name="folder:/<b>",
                data__modality="text",
            ),
            write(
                root / "video",
                "frame_order",
                prefixes=("", "direction_"),
                data__name="moving_fashion",
                data__modality="video",
                data__frames=8,
            ),
        ]
    )


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A pretrained run, a run fine-tuned from it with fewer labels, and one from scratch."""
    own = {"top5": 0.99, "balanced_accuracy": 0.87}
    own |= {"random_init_top1": 0.8, "input_top1": 0.81}
    own |= {f"top1_minus_{name}_se": 0.005 for name in ("random_init", "input")}
    root = tmp_path_factory.mktemp("runs")
    classes = {"method__classes": ("a", "b")}
    write = fake_runs.write
    labels = {"train_examples": 100}
    paths = [
        write(root / "simclr", "simclr", values={"train_examples": 10_000}),
        write(
            root / "tuned",
            "finetune",
            values=own | labels | {"top1": 0.9},
            init_from="/runs/simclr",
            **classes,
        ),
        write(root / "scratch", "finetune", values=own | labels | {"top1": 0.82}, **classes),
    ]
    return read_runs(paths)
