"""The README's commands on what was learned, on a folder of pictures."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl_jax.data.fashion_mnist import LABEL_NAMES, read_mini

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def save(folder: Path, per_class: int, images: np.ndarray, labels: np.ndarray) -> None:
    for label, name in enumerate(LABEL_NAMES[:3]):
        place = folder / re.sub(r"\W", "_", name)
        place.mkdir(parents=True)
        for number, image in enumerate(images[labels == label][:per_class]):
            Image.fromarray(image).save(place / f"{number:03}.png")


@pytest.mark.slow
def test_the_commands_lead_from_pictures_to_predictions_and_embeddings(tmp_path):
    data = read_mini()
    save(tmp_path / "pictures", 40, data["train_images"], data["train_labels"])
    save(tmp_path / "new", 4, data["test_images"], data["test_labels"])
    pictures = f"folder:{tmp_path}/pictures"
    mine, tuned = f"{tmp_path}/mine", f"{tmp_path}/tuned"
    pretrain = f"configs/simclr.py:smoke,data={pictures}"
    run("experiments/pretrain.py", "--config", pretrain, "--workdir", mine)

    block = re.search(r"<!-- use -->\n```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    replaced = {
        "finetune.py:": "finetune.py:smoke,",
        "runs/mine": mine,
        "runs/tuned": tuned,
        "folder:/labeled": pictures,
        "folder:/new": f"folder:{tmp_path}/new",
        "predictions.csv": f"{tmp_path}/predictions.csv",
        "embeddings.npz": f"{tmp_path}/embeddings.npz",
    }
    for line in block[1].strip().splitlines():
        for old, new in replaced.items():
            line = line.replace(old, new)
        command = line.split()[1:]
        run(*command, *(["--scratch"] if "finetune.py" in command[0] else []))

    names = sorted(str(p.relative_to(tmp_path / "new")) for p in (tmp_path / "new").glob("*/*"))
    rows = list(csv.reader((tmp_path / "predictions.csv").read_text().splitlines()))
    assert [row[0] for row in rows[1:]] == names
    with np.load(tmp_path / "embeddings.npz") as found:
        assert found["names"].tolist() == names
        assert found["embeddings"].shape[0] == 12
    assert (Path(tuned) / "classes.json").exists()
    assert json.loads((Path(tuned) / "config.json").read_text())["init_from"] == mine
    assert json.loads((Path(tuned) / "scratch/config.json").read_text())["init_from"] is None
    assert (Path(tuned) / "comparison.html").exists()
