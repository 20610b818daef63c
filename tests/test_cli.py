"""The command line: bad input ends with one line and exit code 2, and writes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssl_jax import cli
from tests import fake_runs

ROOT = Path(__file__).parents[1]


def call(main: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, f"experiments/{main}.py", *arguments],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "XLA_FLAGS"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config=configs/simclr.py:smokey"], "--config: 'smokey' is unknown; expected smoke"),
        (["--config=configs/none.py"], "--config: configs/none.py cannot be read"),
        (
            ["--config=configs/simclr.py", "--config.optimizer.lerning_rate=1"],
            "config.optimizer.lerning_rate: there is no such setting; did you mean learning_rate?",
        ),
        (
            ["--config=configs/simclr.py", "--config.data.batch_size=x"],
            "--config.data.batch_size=x",
        ),
        (
            ["--config=configs/simclr.py", "--config.optimizer.learning_rate=nan"],
            "optimizer.learning_rate: nan; expected a number above 0",
        ),
        (["--config=configs/simclr.py", "--stepz=3"], "stepz"),
        (["--config=configs/simclr.py:data=mnistt"], "data.name: 'mnistt' is unknown"),
        (["--config=configs/simclr.py:data=folder:/nowhere/at/all"], "/nowhere/at/all"),
        (["--config=configs/simclr.py", "--config.data.batch_size=20000"], "20000"),
    ],
)
def test_bad_input_ends_with_one_line_and_exit_code_2(arguments, expected, tmp_path):
    done = call("pretrain", *arguments, f"--workdir={tmp_path / 'run'}")
    assert done.returncode == 2, done
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert not (tmp_path / "run").exists()


BROKEN = {
    "def get_config(arg=None)\n    return 1\n": ", line 1: expected ':'",
    "x = 3\n": ": has no get_config; expected a function get_config(arg)",
    "def get_config():\n    return 1\n": "expected a function get_config(arg)",
    "def get_config(arg=None):\n    x = 1\n    return x.tempo\n": ", line 3: AttributeError: 'int'",
    "def get_config(arg=None):\n    return {}['tempo']\n": ", line 2: KeyError: 'tempo'",
    "def get_config(arg=None):\n    return int('x')\n": ", line 2: ValueError: invalid literal",
    "import no_such_module\n": ", line 1: ModuleNotFoundError: No module named 'no_such_module'",
}


def test_an_error_in_a_config_file_names_the_file_and_the_line(tmp_path):
    program = (
        "import sys\n"
        "from ssl_jax import cli\n"
        "cli.define_config()\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        cli._parse(['main', f'--config={path}:smoke'])\n"
        "    except SystemExit as stop:\n"
        "        print(stop.code)\n"
    )
    paths = [tmp_path / f"config{number}.py" for number in range(len(BROKEN))]
    for path, text in zip(paths, BROKEN, strict=True):
        path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, paths)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["2"] * len(BROKEN), done.stderr
    for line, path, expected in zip(done.stderr.splitlines(), paths, BROKEN.values(), strict=True):
        assert line.startswith(f"error: --config: {path}"), line
        assert expected in line


def test_missing_flags_are_named():
    assert "--config: is missing" in call("pretrain", "--workdir=x").stderr
    assert "--workdir: is missing" in call("evaluate").stderr


@pytest.mark.parametrize("words", [["lossess"], [], ["losses", "conv"]])
def test_a_benchmark_takes_exactly_one_table(words):
    done = call("benchmark", *words)
    assert done.returncode == 2
    problem = f"{' '.join(words)}: is unknown" if words else "an argument is missing"
    assert done.stderr.startswith(f"error: {problem}; expected one of losses, augment")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "an argument is missing; expected the workdirs of runs"),
        (["configs"], "configs: has no config.json; expected the workdir of a run"),
        (["README.md"], "README.md: has no config.json; expected the workdir of a run"),
        (["{run}", "--output={run}/none/x"], "cannot be written: No such file or directory"),
    ],
)
def test_a_comparison_needs_workdirs_of_runs(arguments, expected, tmp_path):
    run = fake_runs.write(tmp_path / "run", "simclr")
    page = tmp_path / "page.html"
    done = call("compare", f"--output={page}", *(each.format(run=run) for each in arguments))
    assert done.returncode == 2, done
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert not page.exists()


def test_a_comparison_is_printed_and_written(tmp_path):
    runs = [str(fake_runs.write(tmp_path / name, "simclr")) for name in ("one", "two")]
    output = tmp_path / "page.html"
    done = call("compare", *runs, "--output", str(output))
    assert done.returncode == 0, done.stderr
    assert f"see {output}" in done.stdout
    for name in ("one", "two"):
        assert name in done.stdout
        assert name in output.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simclr", "next_word"])
def test_a_smoke_run_is_not_repeated_and_can_be_evaluated_again(name, tmp_path):
    arguments = [f"--config=configs/{name}.py:smoke", f"--workdir={tmp_path / 'run'}"]
    first = call("pretrain", *arguments)
    assert first.returncode == 0, first.stderr
    assert "step 8/8" in first.stdout
    assert "Linear, 10 labels per class" in first.stdout
    again = call("pretrain", *arguments)
    assert again.returncode == 0
    assert "finished" in again.stdout
    scores = (tmp_path / "run" / "evaluation.json").read_text()
    (tmp_path / "run" / "evaluation.json").unlink()
    assert call("evaluate", f"--workdir={tmp_path / 'run'}").returncode == 0
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text()) == json.loads(scores)


@pytest.mark.parametrize(
    ("arguments", "bfloat16"),
    [
        ([], False),
        (["--config=configs/simclr.py"], False),
        (["--config=configs/simclr.py", "--config.network.dtype=bfloat16"], True),
    ],
)
def test_the_cpu_settings_follow_the_networks_dtype(arguments, bfloat16, tmp_path):
    main = tmp_path / "mains" / "main.py"
    main.parent.mkdir()
    main.write_text(
        "from ssl_jax import cli, cpu\n"
        "cpu.tune = lambda *, bfloat16: print(bfloat16)\n"
        "cli.define_config()\n"
        "cli.run(lambda: None)\n"
    )
    done = subprocess.run(
        [sys.executable, str(main), *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (f"{bfloat16}\n", "")


def test_a_closed_event_loop_after_a_failed_save_is_not_reported(capsys):
    for message in ("Event loop is closed", "something else"):
        error = RuntimeError(message)
        cli._unless_of_a_closed_loop(RuntimeError, error, None)
    assert capsys.readouterr().err == "RuntimeError: something else\n"


def test_configs_can_be_imported_and_files_of_a_run_cannot(tmp_path):
    for folder in ("configs", "experiments", "runs/downloaded"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "configs/common.py").write_text("HERE = True\n")
    (tmp_path / "runs/downloaded/payload.py").write_text("raise SystemExit('executed')\n")
    (tmp_path / "experiments/probe.py").write_text(
        "from ssl_jax import cli\n"
        "def main():\n"
        "    from configs import common\n"
        "    assert common.HERE\n"
        "    try:\n"
        "        import runs.downloaded.payload\n"
        "    except ModuleNotFoundError:\n"
        "        print('not importable')\n"
        "cli.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "experiments/probe.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "not importable\n", done.stderr
