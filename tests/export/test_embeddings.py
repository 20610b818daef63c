"""Embeddings of folders: what is written, and that an interruption changes nothing."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from rich.console import Console

from ssl_jax import load, methods
from ssl_jax.data import padded_batches
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.errors import InputError
from ssl_jax.export import embeddings, formats, shards
from ssl_jax.export.embeddings import Pace, write_embeddings
from ssl_jax.runs.run import Run
from ssl_jax.runs.workdir import make_workdir
from ssl_jax.train import checkpoint, optim
from ssl_jax.train.checkpoint import Checkpoints
from ssl_jax.train.state import create
from ssl_jax.train.stop import Stopped
from tests import tiny
from tests.runs import own

ROOT = Path(__file__).parents[2]
OUTPUTS = ("x.npz", "x.parquet", "shards")
NAMES = sorted(f"{('', 'train/', 'a b/')[i % 3]}{i:02}.png" for i in range(11))


@pytest.fixture(scope="module")
def run():
    """A run on 8x8 gray images whose features are linear; there is a layer of 2 x 2 patches."""
    dataset = tiny.data()
    config = tiny.resolved(own.config(**{"evaluation.batch_size": 8}), dataset)
    method = own.denoiser(config)
    params, extra = method.init(jax.random.key(0), batch_like(dataset.pretrain[0], 1))

    def embed(params, extra, batch):
        x = batch["image"].astype(jnp.bfloat16) / 255
        patches = x.reshape(-1, 2, 4, 2, 4).swapaxes(2, 3).reshape(-1, 4, 16)
        return own.encoded(params, extra, batch) | {"z": x[:, 0, :3, 0], "patches": patches}

    return Run(config, method._replace(embed=embed), params, extra, 7)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Eleven images and a file that is none, in three folders."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in NAMES:
        (root / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(root / name)
    (root / "train" / "bad.png").write_bytes(b"\x89PNG junk")
    return root


def write(run, pictures, output, **options):
    """Writes embeddings and returns what is printed."""
    text = io.StringIO()
    console = Console(file=text, width=200)
    write_embeddings(run, f"folder:{pictures}", output, console=console, **options)
    return text.getvalue()


def read(output):
    """Returns embeddings and names from an output of any kind."""
    if output.suffix == ".npz":
        with np.load(output, allow_pickle=False) as arrays:
            assert arrays.files == ["embeddings", "names"]
            return arrays["embeddings"], arrays["names"].tolist()
    if output.suffix == ".parquet":
        table = pyarrow.parquet.read_table(output)
        return np.array(table["embeddings"].to_pylist(), np.float32), table["names"].to_pylist()
    index = json.loads((output / "index.json").read_text())
    parts = {
        kind: np.concatenate(
            [np.load(output / s[kind], allow_pickle=False) for s in index["shards"]]
        )
        for kind in ("embeddings", "names")
    }
    assert index["rows"] == len(parts["names"])
    assert index["row_shape"] == list(parts["embeddings"].shape[1:])
    return parts["embeddings"], parts["names"].tolist()


def content(root):
    """Returns all files below a folder, as bytes."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def refusal(*arguments, **options):
    with pytest.raises(InputError) as caught:
        write(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("output", OUTPUTS)
def test_all_readable_images_are_embedded_in_the_order_of_their_names(
    run, pictures, tmp_path, output
):
    output = tmp_path / output
    printed = write(run, pictures, output)
    z, names = read(output)
    assert names == NAMES
    assert z.dtype == np.float32
    images = np.stack([np.asarray(Image.open(pictures / name)) for name in NAMES])
    np.testing.assert_allclose(z, run.embed(images), atol=1e-5)
    unreadable = tmp_path / f"{output.name}.unreadable.json"
    assert json.loads(unreadable.read_text()) == {
        "train/bad.png": "is not an image, or its header is damaged"
    }
    assert sorted(tmp_path.iterdir()) == sorted([output, unreadable])
    assert f"1 unreadable files left out; see {unreadable}" in printed
    assert f"{output}: embeddings 11 x 6 of features; " in printed
    assert "images per second" in printed

    before = content(tmp_path)
    assert write(run, pictures, output) == f"{output}: finished; nothing is left to do\n"
    assert content(tmp_path) == before


def test_layers_are_concatenated_and_may_have_more_axes(run, pictures, tmp_path):
    write(run, pictures, tmp_path / "x.npz", layers=["z", "features"])
    z, _ = read(tmp_path / "x.npz")
    assert z.shape == (11, 3 + 6)
    for output in OUTPUTS:
        write(run, pictures, tmp_path / f"patches-{output}", layers=["patches"])
        patches, _ = read(tmp_path / f"patches-{output}")
        assert patches.shape == (11, 4, 16)
        assert patches.dtype == np.float32
        np.testing.assert_array_equal(patches[:, 0, :3], z[:, :3])
    message = refusal(run, pictures, tmp_path / "y.npz", layers=["features", "h"])
    assert message == "--layer: 'h'; expected some of features, patches, z"
    message = refusal(run, pictures, tmp_path / "y.npz", layers=["features", "patches"])
    assert "--layer: features [6], patches [4, 16] cannot be concatenated" in message


def test_known_data_is_embedded_too(run, tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "open_named", first_twenty(embeddings.open_named))
    text = io.StringIO()
    write_embeddings(
        run, "fashion_mnist_mini", tmp_path / "x.npz", console=Console(file=text, width=200)
    )
    z, names = read(tmp_path / "x.npz")
    assert z.shape == (20, 6)
    assert names[7] == "train/000007"
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def first_twenty(open_named):
    def opened(*arguments, **options):
        named = open_named(*arguments, **options)
        return named._replace(names=named.names[:20])

    return opened


def test_one_shape_is_compiled_and_rows_are_split_over_the_devices(run, pictures, tmp_path):
    traces = []

    def embed(params, extra, batch):
        traces.append(batch["image"].shape)
        return run.method.embed(params, extra, batch)

    watched = run._replace(method=run.method._replace(embed=embed))
    write(watched, pictures, tmp_path / "x.npz")
    assert traces == [(1, 8, 8, 1), (8, 8, 8, 1)]


class Killed(Exception):
    """Stands in for a kill."""


def killed_after(count):
    """Returns a replacement of ``padded_batches`` that fails after some batches."""

    def batches(*arguments):
        for number, batch in enumerate(padded_batches(*arguments)):
            if number == count:
                raise Killed
            yield batch

    return batches


@pytest.fixture
def small(monkeypatch, run):
    """Makes shards of four rows and commits each batch of eight."""
    monkeypatch.setattr(shards, "_ROWS_PER_SHARD", 4)
    monkeypatch.setattr(shards, "_WORK_PER_COMMIT", 0)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Fifty images, of which a few cannot be read."""
    root = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(1)
    for number in range(50):
        path = root / f"{number:02}.png"
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(path)
        if number in (0, 9, 10, 11, 12, 13, 14, 15, 16, 30, 49):
            path.write_bytes(b"junk")
    return root


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_interrupted_call_is_continued_to_the_same_bytes(
    run, many, tmp_path, output, small, monkeypatch
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    write(run, many, whole / output)
    z, names = read(whole / output)
    assert len(z) == len(names) == 39
    for count in (2, 1, 3):
        with monkeypatch.context() as patch:
            patch.setattr(embeddings, "padded_batches", killed_after(count))
            with pytest.raises(Killed):
                write(run, many, parts / output)
        assert not (parts / output).is_file()
        assert not (parts / output / "index.json").exists()
    printed = write(run, many, parts / output)
    assert "continuing after 24 of 50 images" in printed
    assert content(parts) == content(whole)
    if output == "shards":
        rows = [len(np.load(path)) for path in sorted((parts / output).glob("embeddings-*"))]
        assert rows == [4] * 9 + [3]


def test_rows_after_the_last_commit_are_dropped(run, many, tmp_path, small, monkeypatch):
    """A kill may come between any two writes, and a crash of the machine may lose some."""
    write(run, many, tmp_path / "whole.npz")
    work, output = tmp_path / "x.npz.parts", tmp_path / "x.npz"
    monkeypatch.setattr(embeddings, "padded_batches", killed_after(4))
    with pytest.raises(Killed):
        write(run, many, output)
    monkeypatch.undo()
    monkeypatch.setattr(shards, "_ROWS_PER_SHARD", 4)
    begun = content(work)
    full = sorted(name for name in begun if name.endswith(".npy"))
    (part,) = (name for name in begun if name.endswith("npy.part"))
    damages = [
        {part: begun[part] + b"more"},
        {"journal.jsonl": begun["journal.jsonl"] + b'{"done": 40, "ro'},
        {part: begun[part][:-1]},
        {full[-1]: None},
        {full[0]: begun[full[0]][:-1]},
        {part: None, part.removesuffix(".part"): begun[part] + b"0" * 200},
        {"whole.part": b"half an archive", "begun.json.part": b"{"},
    ]
    for damage in damages:
        for name, value in (begun | damage).items():
            work.mkdir(exist_ok=True)
            (work / name).unlink(missing_ok=True)
            if value is not None:
                (work / name).write_bytes(value)
        write(run, many, output)
        assert output.read_bytes() == (tmp_path / "whole.npz").read_bytes(), damage
        assert not work.exists()
        output.unlink()


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_crash_after_the_end_leaves_a_finished_output(
    run, many, tmp_path, output, small, monkeypatch
):
    def crash(folder):
        raise Killed

    crashing = formats.format_of(Path(output))._replace(tidy=crash)
    with monkeypatch.context() as patch:
        patch.setattr(embeddings, "format_of", lambda _: crashing)
        with pytest.raises(Killed):
            write(run, many, tmp_path / output)
    before = read(tmp_path / output)
    assert "finished; nothing is left to do" in write(run, many, tmp_path / output)
    np.testing.assert_equal(read(tmp_path / output), before)
    assert not list(tmp_path.rglob("begun.json"))
    assert not list(tmp_path.rglob("*.parts"))


def test_a_stop_request_ends_with_what_is_finished(run, many, tmp_path, small, monkeypatch):
    calls = []

    def finite(piece, named):
        calls.append(piece.end)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return embeddings_finite(piece, named)

    embeddings_finite = embeddings._finite
    monkeypatch.setattr(embeddings, "_finite", finite)
    message = "stopped after 16 of 50 images; the same command continues"
    with pytest.raises(Stopped, match=message):
        write(run, many, tmp_path / "x.npz")
    assert "continuing after 16 of 50" in write(run, many, tmp_path / "x.npz")
    assert calls == [8, 16, 24, 32, 40, 48, 50]


def test_an_unfinished_output_is_not_continued_with_something_else(
    run, many, tmp_path, small, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(embeddings, "padded_batches", killed_after(2))
        with pytest.raises(Killed):
            write(run, many, tmp_path / "x.npz")
    begun = content(tmp_path)

    def refused(run=run, data=many, **options):
        message = refusal(run, data, tmp_path / "x.npz", **options)
        assert content(tmp_path) == begun
        return message

    work = tmp_path / "x.npz.parts"
    assert refused(layers=["z"]).startswith(f"{work}: was begun with other layers; expected")
    assert "with other step;" in refused(run._replace(step=8))
    assert "with other weights;" in refused(
        run._replace(params=jax.tree.map(jnp.ones_like, run.params))
    )
    other = tmp_path.parent / "other"
    other.mkdir()
    Image.new("L", (8, 8)).save(other / "00.png")
    assert "with other data, number of examples, names;" in refused(data=other)
    about = json.loads((work / "begun.json").read_text())["about"]
    with shards.contextlib.closing(shards.Shards(work, about, (6,))):
        assert "x.npz.parts: is being written; expected" in refused()
    (work / "begun.json").write_text("{")
    begun = content(tmp_path)
    assert "begun.json: is damaged" in refused()


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_existing_output_is_never_overwritten(run, pictures, tmp_path, output):
    write(run, pictures, tmp_path / output)
    before = content(tmp_path)
    message = refusal(run, pictures, tmp_path / output, layers=["z"])
    assert message.startswith(f"{tmp_path / output}: holds embeddings with other layers; expected")
    assert content(tmp_path) == before


@pytest.mark.parametrize("output", ["x.npz", "x.parquet"])
def test_an_unrelated_file_is_never_overwritten(run, pictures, tmp_path, output):
    (tmp_path / output).write_bytes(b"precious")
    assert "exists and is not from this script" in refusal(run, pictures, tmp_path / output)
    np.savez(tmp_path / "y.npz", embeddings=np.zeros(3))
    assert "exists and is not from this script" in refusal(run, pictures, tmp_path / "y.npz")
    assert content(tmp_path)[output] == b"precious"
    assert len(content(tmp_path)) == 2


def test_an_unrelated_folder_is_left_alone(run, pictures, tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "precious").write_text("x")
    message = refusal(run, pictures, tmp_path / "shards")
    assert message == f"{tmp_path}/shards: holds other files; expected a new or empty folder"
    (tmp_path / "shards" / "precious").unlink()
    write(run, pictures, tmp_path / "shards")


def test_outputs_that_cannot_be_written(run, pictures, tmp_path, monkeypatch):
    assert "expected a name that ends in .npz" in refusal(run, pictures, tmp_path / "x.npy")
    assert "in a folder that exists" in refusal(run, pictures, tmp_path / "no" / "x.npz")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = refusal(run, pictures, tmp_path / "x.parquet")
    assert message.startswith("--output: .parquet needs pyarrow; expected it to be installed")
    assert not content(tmp_path)


def test_a_folder_without_a_readable_image_leaves_nothing_behind(run, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    assert "holds no image" in refusal(run, data, tmp_path / "x.npz")
    for number in range(20):
        (data / f"{number}.png").write_bytes(b"junk")
    for output in OUTPUTS:
        message = refusal(run, data, tmp_path / output)
        assert "holds no readable example; expected at least one besides 20 unreadable" in message
    assert list(tmp_path.iterdir()) == [data]


def test_features_that_are_not_finite_are_refused(run, pictures, tmp_path):
    broken = run._replace(params=jax.tree.map(lambda x: x * jnp.nan, run.params))
    message = refusal(broken, pictures, tmp_path / "x.npz")
    assert message == "00.png: its features are not finite; expected a run that did not fail"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("calls", range(3, 14, 3))
def test_a_full_disk_is_reported_and_loses_nothing(run, many, tmp_path, small, monkeypatch, calls):
    def full(file):
        made.append(file)
        if calls < len(made) < calls + 3:
            raise OSError(28, "No space left on device")
        sync(file)

    made, sync = [], shards._sync
    with monkeypatch.context() as patch:
        patch.setattr(shards, "_sync", full)
        message = refusal(run, many, tmp_path / "x.npz")
    assert message == f"{tmp_path}/x.npz.parts: cannot be written: No space left on device"
    write(run, many, tmp_path / "x.npz")
    write(run, many, tmp_path / "whole.npz")
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_plain_lines_show_the_progress_outside_a_terminal(monkeypatch):
    monkeypatch.setattr(embeddings, "_SECONDS_BETWEEN_LINES", 0.0)
    text = io.StringIO()
    pace = Pace(Console(file=text, width=100), 0, 2000, "images")
    for done in (500, 1000, 2000):
        pace.show(done)
        time.sleep(0.01)
    pace.close()
    lines = text.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["500/2,000 images", "1,000/2,000 images"]
    assert " images/s  left 0 s" in lines[1]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of SimCLR with a checkpoint, without training."""
    dataset = tiny.data(channels=3)
    base = tiny.config(name="simclr", projector=(8,))
    base.network.pool = "mean"
    base.evaluation.batch_size = 2
    config = tiny.resolved(base, dataset, 1)
    batch = batch_like(dataset.pretrain[0], 16)
    method, optimizer = methods.make(config), optim.make(config)
    state = jax.jit(lambda key: create(method, optimizer, key, batch))(jax.random.key(0))
    folder = tmp_path_factory.mktemp("workdir") / "run"
    make_workdir(folder, config, {})
    checkpoints = Checkpoints(folder / checkpoint.FOLDER)
    checkpoints.save(7, state._replace(step=jnp.int32(7)))
    checkpoints.close()
    return folder


def script(*arguments):
    return subprocess.Popen(
        [sys.executable, "experiments/embed.py", *arguments],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "XLA_FLAGS"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_script_is_killed_and_continued(workdir, tmp_path):
    """Each file is another name of one large image, which takes a while to decode."""
    pixels = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large", "PNG")
    (tmp_path / "pictures").mkdir()
    for number in range(40):
        (tmp_path / f"pictures/{number}.png").hardlink_to(tmp_path / "large")
    arguments = [f"--workdir={workdir}", f"--data=folder:{tmp_path}/pictures", "--layer=features,z"]
    output, journal = tmp_path / "x.npz", tmp_path / "x.npz.parts" / "journal.jsonl"

    first = script(*arguments, f"--output={output}")
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < 1:
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    first.kill()
    first.communicate()
    assert not output.exists()
    second = script(*arguments, f"--output={output}")
    printed, errors = second.communicate()
    assert second.returncode == 0, errors
    assert "continuing after" in printed
    z, names = read(output)
    assert names == sorted(f"{number}.png" for number in range(40))
    assert (z == z[:1]).all()
    features = load(workdir).embed(pixels[None])
    np.testing.assert_allclose(z[:1, : features.shape[1]], features, atol=1e-5)


def test_the_script_reports_bad_input_in_one_line(workdir, tmp_path):
    arguments = [f"--workdir={workdir}", "--data=folder:/no/where", f"--output={tmp_path}/x.npz"]
    process = script(*arguments)
    printed, errors = process.communicate()
    assert process.returncode == 2
    assert errors == "error: --data: 'folder:/no/where' does not exist; expected folder:/path\n"
    assert printed == ""
    assert not list(tmp_path.iterdir())
