"""Examples by name: every image below a folder, every text, and the rows of known data sets."""

import os

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from ssl_jax.data.dataset import gather
from ssl_jax.data.formats import ENDINGS
from ssl_jax.data.listing import open_named
from ssl_jax.data.tree import listing
from ssl_jax.errors import InputError
from tests import tiny


def put(root, path, value=0, *, size=(20, 12)):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3).save(file)
    return file


def config_data(dataset, **changes):
    text = dataset.facts["modality"] == "text"
    config = tiny.config(
        **({"name": "next_word"} if text else {"name": "simclr", "projector": (8,)})
    )
    config.network.name = "gpt_nano" if text else "resnet_small"
    data = tiny.resolved(config, dataset).data
    data.update(changes)
    return data


IMAGES = config_data(tiny.data(channels=3))


def everything(named):
    return gather(named.source, np.arange(len(named.names)))


def refusal(*arguments, **options):
    with pytest.raises(InputError) as caught:
        open_named(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_image_below_a_folder_is_listed_as_by_a_plain_walk(tmp_path):
    root = tmp_path / "root"
    shown = [
        "b/2.JPG",
        "a.png",
        "a/z.webp",
        "train/x/9.gif",
        "train/1.Tiff",
        "test/3.bmp",
        "a-1.jpeg",
    ]
    for path in shown:
        put(root, path)
    for path in (".hidden.png", ".thumbs/c.png", "__MACOSX/d.png"):
        put(root, path)
    (root / "notes.txt").write_text("not an image")
    (root / "folder.png").mkdir()
    put(root, "folder.png/inside.png")
    put(tmp_path / "elsewhere", "linked.png")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "up").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "gone.png").symlink_to(root / "nowhere.png")
    named = open_named(f"folder:{root}", IMAGES, {})
    expected = sorted([*shown, "folder.png/inside.png", "link/linked.png"])
    assert named.names == expected
    assert listing(root, ENDINGS).paths == expected
    assert named.unit == "images"


def test_images_get_the_size_and_the_channels_of_the_run(tmp_path):
    for number in range(5):
        put(tmp_path, f"{number}.png", 10 * number)
    images = everything(open_named(f"folder:{tmp_path}", IMAGES, {}))["image"]
    assert images.shape == (5, 8, 8, 3)
    assert images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]
    gray = open_named(f"folder:{tmp_path}", config_data(tiny.data()), {})
    assert everything(gray)["image"].shape == (5, 8, 8, 1)


def test_files_that_cannot_be_read_are_zeros_and_have_a_reason(tmp_path, monkeypatch):
    for number, name in enumerate("abc"):
        put(tmp_path, f"{name}.png", 7 + number, size=(64, 64))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:3000])
    (tmp_path / "empty.gif").write_bytes(b"")
    (tmp_path / "text.webp").write_text("hello")
    put(tmp_path, "x.png")
    put(tmp_path, "y.png", size=(100, 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4500)
    named = open_named(f"folder:{tmp_path}", IMAGES, {})
    (tmp_path / "x.png").unlink()
    images = everything(named)["image"]
    reasons = {named.names[index]: reason for index, reason in named.unreadable.items()}
    assert reasons.pop("y.png").startswith("DecompressionBombError: ")
    assert "truncated" in reasons.pop("cut.png")
    assert reasons == {
        "empty.gif": "is empty",
        "text.webp": "is not an image, or its header is damaged",
        "x.png": "No such file or directory",
    }
    assert images[:, 0, 0, 0].tolist() == [7, 8, 9, 0, 0, 0, 0, 0]


def test_file_names_that_are_not_utf8_can_be_printed(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    Image.new("L", (8, 8), 9).save(os.fsdecode(folder + b"/1.png"))
    put(tmp_path, "für.png")
    named = open_named(f"folder:{tmp_path}", IMAGES, {})
    assert named.names == ["caf\\xe9/1.png", "für.png"]
    assert everything(named)["image"][0, 0, 0].tolist() == [9, 9, 9]
    assert not named.unreadable


def test_a_relative_path_stands_for_the_absolute_one(tmp_path, monkeypatch):
    put(tmp_path, "a.png")
    monkeypatch.chdir(tmp_path)
    assert open_named("folder:.", IMAGES, {}).data == f"folder:{tmp_path}"


def test_folders_that_cannot_be_used(tmp_path):
    name = f"folder:{tmp_path}"
    assert refusal(name, IMAGES, {}).startswith(f"--data: '{name}' holds no image; expected files")
    assert refusal(f"{name}/no", IMAGES, {}).startswith(f"--data: '{name}/no' does not exist")
    assert "'folder:' does not exist; expected folder:/path" in refusal("folder:", IMAGES, {})
    put(tmp_path, "a.png")
    assert "is not a folder" in refusal(f"{name}/a.png", IMAGES, {})
    clips = config_data(tiny.clips())
    assert "holds images; expected clips, as in training" in refusal(name, clips, {})
    assert "holds texts; expected images, as in training" in refusal(f"text:{tmp_path}", IMAGES, {})


def test_known_data_is_named_by_split_and_row():
    named = open_named("fashion_mnist_mini", config_data(tiny.data(), holdout=20), {})
    assert len(named.names) == len(named.source) == 12_000
    assert named.names[0] == "train/000000"
    assert named.names[9_999:10_001] == ["train/009999", "test/000000"]
    assert set(named.source[0]) == {"image"}
    assert named.source[11_999]["image"].shape == (8, 8, 1)
    message = refusal("moving_fashion", config_data(tiny.clips(), image_size=40), {})
    assert "examples of shape [8, 40, 40, 1]; expected [7, 40, 40, 1], as in training" in message
    assert "data.name: 'mnistt' is unknown" in refusal("mnistt", IMAGES, {})


def test_texts_are_read_with_the_tokenizer_of_the_run(tmp_path):
    dataset = tiny.texts()
    data = config_data(dataset)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/long.txt").write_text("abc cab " * 50)
    (tmp_path / "a.txt").write_text("abc")
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "white.txt").write_text("  \n")
    named = open_named(f"text:{tmp_path}", data, dataset.assets)
    assert named.names == ["a.txt", "b/long.txt", "bad.txt", "white.txt"]
    tokens = everything(named)["tokens"]
    assert tokens.shape == (4, tiny.TOKENS)
    assert named.unreadable == {2: "is not UTF-8", 3: "is empty"}
    assert named.source[1]["tokens"].tolist() == tokens[1].tolist()
    assert not tokens[2].any()
    one = open_named(f"text:{tmp_path}/a.txt", data, dataset.assets)
    assert one.names == ["a.txt"]
    assert everything(one)["tokens"].tolist() == tokens[:1].tolist()
    assert "has another tokenizer than the run" in refusal("python_docs", data, dataset.assets)


def test_files_of_other_kinds_are_said(tmp_path):
    put(tmp_path, "a.png")
    (tmp_path / "b.cr2").write_bytes(b"raw")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    named = open_named(f"folder:{tmp_path}", IMAGES, {})
    assert named.names == ["a.png"]
    assert named.left_out == {"b.cr2": ".cr2", "gone.png": "a link that leads nowhere"}
    assert named.note.startswith("2 files are not read (.cr2: 1, a link that leads nowhere: 1)")
    (tmp_path / "b.cr2").unlink()
    (tmp_path / "gone.png").unlink()
    assert open_named(f"folder:{tmp_path}", IMAGES, {}).note == ""


def test_deep_images_are_scaled_as_in_training(tmp_path):
    Image.fromarray(np.full((8, 8), 500, np.uint16)).save(tmp_path / "a.png")
    changed = ConfigDict(IMAGES.to_dict() | {"value_range": (0, 1000)})
    named = open_named(f"folder:{tmp_path}", changed, {})
    np.testing.assert_array_equal(everything(named)["image"], 128)
