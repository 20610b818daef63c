"""Losses and their gradients match those on a CPU."""

import numpy as np
import pytest

from tests.gpu.reference import every_loss, on_the_cpu

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]


def test_every_loss_and_its_gradient_match_the_cpu(tmp_path):
    here, there = every_loss(), on_the_cpu(tmp_path / "losses.npz")
    assert here.keys() == there.keys()
    wrong = {}
    for name, expected in there.items():
        error = np.abs(here[name] - expected).max() / max(1.0, np.abs(expected).max())
        if not error <= 5e-5:
            wrong[name] = float(error)
    assert wrong == {}
