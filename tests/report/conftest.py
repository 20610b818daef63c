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
