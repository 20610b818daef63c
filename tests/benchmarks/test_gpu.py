"""The table gpu: its error messages, FLOP counts and rows; our side at tiny sizes on the CPU."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks import gpu, report
from experiments.benchmarks.gpu import (
    dino,
    fit,
    flops,
    heat,
    job,
    jpeg,
    mae,
    matrix_rate,
    nt_xent,
    simclr,
    table,
    vit,
)
from experiments.benchmarks.race import Contestant
from ssl_jax.errors import InputError

ROOT = Path(__file__).parents[2]
PIECE = table.Piece("work", "bfloat16", images=100, flops=8e12)
CHIP = table.Chip(cuda=True, rate=1e12)


def call(*arguments):
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    return subprocess.run(
        [sys.executable, "experiments/benchmark.py", *arguments],
        cwd=ROOT,
        env=environment | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["gpu"], "gpu: the default backend is cpu; expected a GPU or TPU"),
        (
            ["gpu", "--sections=simclr,resnet"],
            "--sections: 'resnet' is unknown; expected some of simclr, mae, vit, vit448, dino, "
            "nt_xent, fit, jpeg",
        ),
        pytest.param(
            ["losses", "--sections=simclr"],
            "--sections: losses has no sections; expected the table gpu",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_bad_arguments_end_with_one_line_and_exit_code_2(arguments, expected):
    done = call(*arguments)
    assert (done.returncode, done.stderr) == (2, f"error: {expected}\n")
    assert done.stdout == ""


def test_sections_run_in_the_order_of_the_index():
    assert gpu.chosen(["jpeg", "simclr"]) == ["simclr", "jpeg"]
    assert gpu.chosen([]) == list(gpu.SECTIONS)


def test_a_machine_without_a_working_backend_is_an_input_error(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda,none")
    report.accelerator.cache_clear()
    with pytest.raises(InputError, match="JAX finds no device"):
        report.accelerator()
    report.accelerator.cache_clear()


@pytest.mark.parametrize(
    ("counted", "published"),  # GMACs, with the classifier if the source counts it
    [
        (flops.resnet50(224) + 2048 * 1000, 4.09),  # torchvision's page
        (flops.vit(224, 768, 12), 17.56),  # torchvision's page: vit_b_16
        (flops.vit(224, 384, 12), 4.6),  # DeiT, table 5: DeiT-S
    ],
)
def test_flops_match_published_counts(counted, published):
    assert counted / 1e9 == pytest.approx(published, rel=2e-3)


def test_flops_of_steps_and_parts():
    assert flops.step(10) == 60
    assert flops.step(10, without_gradient=4) == 68
    assert flops.mlp((2, 3, 5)) == 21
    assert flops.nt_xent(4, 3) == 8 * 8 * 3
    rest = 768 * 196 * 768 + 50 * 768 * 512 + 197 * 512 * 768
    assert flops.mae(224) == rest + flops.blocks(50, 768, 12) + flops.blocks(197, 512, 8)
    each = flops.resnet50(224) + 2048 * 2048 + 2048 * 128
    assert simclr.PIECE.flops == 6 * 512 * each


def sleeps(seconds=0.01):
    measured = job.Measured
    return job.Job(lambda: time.sleep(seconds), lambda: None, measured)


def absent():
    import there_is_no_such_module

    return there_is_no_such_module


def broken():
    raise ValueError("wrong\nshape")


def dies():
    os._exit(3)


def breaks_when_timed():
    return job.Job(broken, lambda: None, job.Measured)


def hangs(pid):
    Path(pid).write_text(str(subprocess.Popen(["sleep", "1000"]).pid))
    time.sleep(1000)


def hangs_when_timed():
    return sleeps(1000)


class Environment:
    def ready(self):
        return None

    def turn(self):
        return {name: os.environ.get(name) for name in ("XLA_PYTHON_CLIENT_PREALLOCATE", "HOME")}


def in_time(seconds=300.0):
    return time.monotonic() + seconds


def test_failures_are_described_and_the_other_contestants_run():
    makes = (sleeps, absent, dies, breaks_when_timed, Environment)
    before = dict(os.environ)
    outcomes = heat.run([Contestant(make.__name__, make) for make in makes], in_time())
    assert dict(os.environ) == before
    assert outcomes.pop("sleeps").seconds == pytest.approx(0.01, rel=0.5)
    expected = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "HOME": os.environ.get("HOME")}
    assert outcomes.pop("Environment") == expected
    assert outcomes == {
        "absent": "there_is_no_such_module is not installed",
        "dies": "the process of dies ended with exit code 3",
        "breaks_when_timed": "ValueError: wrong shape",
    }


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 64.00 GiB"), "out of memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to"), "out of memory"),
        (ImportError("cannot import name 'Block'", name="timm"), "ImportError: cannot import name"),
        (RuntimeError("x" * 1000), "RuntimeError: xxx"),
    ],
)
def test_errors_are_described_in_one_line(error, expected):
    assert job.describe(error).startswith(expected)
    assert len(job.describe(error)) <= 200


def test_a_contestant_that_misses_the_deadline_is_killed_with_its_children(monkeypatch, tmp_path):
    pid, receive, deadlines = tmp_path / "pid", heat.Track.receive, []

    def hurried(self, name, until):
        """Gives up on a hanging contestant as soon as it has a child to kill."""
        deadlines.append((name, until))
        while name == "hangs" and not (pid.exists() and pid.read_text()):
            time.sleep(0.05)
        again = [each for each, _ in deadlines].count(name) > 1
        late = name == "hangs" or (name == "hangs later" and again)
        return receive(self, name, time.monotonic() + 0.2 if late else until)

    monkeypatch.setattr(heat.Track, "receive", hurried)
    contestants = [
        Contestant("hangs", hangs, (str(pid),)),
        Contestant("hangs later", hangs_when_timed),
        Contestant("sleeps", sleeps),
    ]
    begin = time.monotonic()
    outcomes = heat.run(contestants, begin + 1000)
    assert outcomes.pop("sleeps").seconds == pytest.approx(0.01, rel=0.5)
    assert outcomes == {"hangs": "out of time", "hangs later": "out of time"}
    state = subprocess.run(["ps", "-o", "state=", "-p", pid.read_text()], capture_output=True)
    assert state.stdout.strip() in (b"", b"Z")
    assert [name for name, _ in deadlines] == [*outcomes, "sleeps", "hangs later", "sleeps"]
    after = [until - begin for _, until in deadlines]
    assert after == pytest.approx([800, 800, 800, 1000, 1000], abs=1)


def test_contestants_that_cannot_share_a_device_run_one_by_one(monkeypatch):
    began = []
    monkeypatch.setattr(heat.Track, "send", lambda self, name, message: began.append(name))
    monkeypatch.setattr(heat.Track, "receive", lambda self, name, until: None)
    monkeypatch.setattr(heat.Track, "kill", lambda self, name: began.append(f"end of {name}"))
    heat.run([Contestant("a", sleeps), Contestant("b", sleeps)], in_time(), together=False)
    assert began.index("end of a") < began.index("b")


def test_a_row_has_the_numbers_of_both_sides():
    outcomes = {
        "ssl_jax": job.Measured(2.0, 50.0, 7.0, 30.0),
        "PyTorch": job.Measured(4.0, 80.0),
        "PyTorch compiled": "out of memory",
    }
    first, second = table.rows(PIECE, CHIP, "ssl_jax", outcomes)
    assert (first["ours"], first["peer"], first["ratio"]) == (2, 4, 2)
    assert (first["ours_images_per_second"], first["peer_images_per_second"]) == (50, 25)
    assert (first["ours_matrix_share"], first["peer_matrix_share"]) == (4, 2)
    assert (first["ours_peak_megabytes"], first["ours_megabytes"]) == (50, 30)
    assert (first["ours_compile_seconds"], first["peer_compile_seconds"]) == (7, None)
    assert (second["ours"], second["peer"], second["ratio"]) == (2, None, None)
    assert second["peer_failure"] == "out of memory"
    (alone,) = table.rows(PIECE, CHIP, "ssl_jax", {"ssl_jax": "out of time"})
    assert (alone["ours"], alone["peer_name"], alone["ratio"]) == (None, None, None)


def test_pytorch_runs_on_cuda_only(monkeypatch):
    raced = []
    monkeypatch.setattr(
        heat,
        "run",
        lambda contestants, *_, together: (
            raced.append([each.name for each in contestants])
            or {each.name: job.Measured(1.0) for each in contestants}
        ),
    )
    for cuda in (True, False):
        assert list(simclr.rows(table.Chip(cuda, None), in_time()))
    assert raced == [[simclr.OURS, "PyTorch", "PyTorch compiled"], [simclr.OURS]]


def test_the_matrix_rate_is_measured_before_the_sections(monkeypatch):
    monkeypatch.setattr(gpu, "accelerator", lambda: {"devices": "1 x NVIDIA H100 80GB HBM3"})
    monkeypatch.setattr(heat, "run", lambda *_, **__: {"ssl_jax": job.Measured(0.5)})
    given = []
    for name in ("rows", "rows_at_448"):
        monkeypatch.setattr(vit, name, lambda chip, until: given.append(chip) or [["row"]])
    _, (rate,), *sections = gpu.rows(None, sections=["vit", "vit448"])
    assert sections == ["vit", ["row"], "vit448", ["row"]]
    assert set(given) == {table.Chip(cuda=True, rate=2.0 * 8192**3 / 0.5)}
    assert rate["ours_matrix_share"] == 1


def test_each_race_is_printed_and_saved_when_it_ends(tmp_path, capsys):
    output = tmp_path / "rows.json"

    def rows(lanes):
        yield "simclr"
        yield table.rows(PIECE, CHIP, "ours", {"ours": job.Measured(2.0), "peer": "out of time"})
        (saved,) = json.loads(output.read_text())["rows"]
        assert (saved["work"], saved["ours"], saved["peer_failure"]) == ("work", 2, "out of time")
        assert "out of time" in capsys.readouterr().out
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report.show("gpu", rows, str(output), each=table.printed)
    assert json.loads(output.read_text())["machine"]["jax"]


def test_the_description_of_the_machine_includes_the_accelerator(monkeypatch):
    found = {"backend": "gpu", "devices": "1 x NVIDIA H100", "runtime": "PJRT C API\ncuda 13000"}
    monkeypatch.setattr(report, "accelerator", lambda: found)
    facts = report.machine()
    assert facts["accelerator"] == "1 x NVIDIA H100"
    assert facts["runtime"] == "PJRT C API cuda 13000"
    monkeypatch.setattr(report, "accelerator", lambda: {"backend": "cpu"})
    assert "accelerator" not in report.machine()


VIT = {"network.name": "vit_nano"}
HEAD = {
    "method.head": (16, 8),
    "method.prototypes": 8,
    "method.local_views": 2,
    "method.augment.small_size": 16,
}
PLAIN = {"method.augment.blur": 0.0, "method.augment.strength": 0.0}  # compiles quickly
RESNET = PLAIN | {"network.name": "resnet_small", "method.projector": (16, 8)}
DECODER = {"method.decoder_width": 16, "method.decoder_depth": 1, "method.decoder_heads": 2}


@pytest.mark.parametrize(
    ("make", "arguments", "changes"),
    [
        (simclr.ours, (8, 16), RESNET),
        pytest.param(mae.ours, (8, 32), VIT | DECODER, marks=pytest.mark.slow),
        pytest.param(dino.ours, (8, 32), VIT | HEAD, marks=pytest.mark.slow),
        (vit.ours, (8, 32), VIT),
        (nt_xent.ours, (32, 8), {}),
        (nt_xent.ours, (32, None), {}),
        (matrix_rate.product, (64,), {}),
    ],
)
def test_our_side_runs_and_measures_itself(make, arguments, changes, monkeypatch):
    from tests import tiny

    tiny.small_networks(monkeypatch)
    monkeypatch.setattr(job, "_ROUNDS", 1)
    monkeypatch.setattr(job, "_TURN", 1e-9)
    work = make(*arguments, **changes)
    measured = work.turn()
    assert measured.seconds > 0
    assert measured.compile_seconds > 0
    assert measured.peak_megabytes >= measured.temporary_megabytes >= 0


def test_the_settings_are_those_of_the_paper_presets():
    sizes = {
        simclr: {"network.name": "resnet50", "data.batch_size": 256, "data.image_size": 224},
        mae: {"network.name": "vit_base", "data.batch_size": 256, "method.mask_ratio": 0.75},
        dino: {"network.name": "vit_small", "data.batch_size": 64, "method.prototypes": 65_536},
    }
    for section, expected in sizes.items():
        images = expected["data.batch_size"]
        settings = section.settings(images, 224)
        assert settings.network.dtype == "bfloat16"
        for name, value in expected.items():
            block, _, key = name.partition(".")
            assert settings[block][key] == value


def test_the_loop_and_its_step_are_timed_in_one_process(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    outcome = heat.run([Contestant("fit", tiny_fit)], in_time())["fit"]
    assert outcome.keys() == {fit.STEP, fit.LOOP}
    assert all(each.seconds > 0 for each in outcome.values())


def test_a_folder_is_read_by_the_given_number_of_threads(monkeypatch, tmp_path):
    from ssl_jax.data import dataset

    monkeypatch.setattr(dataset, "readers", dataset.readers)  # restored after the test
    monkeypatch.setattr(jpeg, "_SECONDS", 0.1)
    jpeg.write(tmp_path, 5)
    kilobytes = [path.stat().st_size / 1e3 for path in tmp_path.iterdir()]
    assert 60 < np.mean(kilobytes) < 160  # ImageNet's files have 110 kB
    reading = jpeg.reading(str(tmp_path), 3, 4)
    assert reading.turn().seconds > 0
    assert dataset.readers()._max_workers == 3


def test_there_are_enough_files_for_a_batch(tmp_path):
    from ssl_jax import data

    jpeg.write(tmp_path, 1)
    (first,) = tmp_path.iterdir()
    for number in range(1, jpeg.FILES):
        (tmp_path / f"{number:04}.jpg").hardlink_to(first)
    settings = {"name": f"folder:{tmp_path}", "image_size": 8, "channels": 3, "cache_mib": 0}
    settings |= {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    assert len(data.load(settings).train) >= simclr.IMAGES


def tiny_fit():
    from tests import tiny

    tiny.small_networks(pytest.MonkeyPatch())
    return fit.both(8, 16, pictures=32, **RESNET)
