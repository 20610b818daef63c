"""A whole run: train, evaluate, report."""

import tempfile
import time
from pathlib import Path

from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from ssl_jax import config as settings
from ssl_jax.data import Dataset
from ssl_jax.evaluation import report
from ssl_jax.evaluation.collapse import verdict
from ssl_jax.evaluation.evaluate import evaluate
from ssl_jax.evaluation.features import check_layers
from ssl_jax.evaluation.modalities import Look
from ssl_jax.evaluation.page import make_page
from ssl_jax.evaluation.report import Page
from ssl_jax.methods.base import Method
from ssl_jax.sharding import make_mesh
from ssl_jax.train import metrics
from ssl_jax.train.loop import batch_like, first_state, run_keys, train
from ssl_jax.train.run import Run
from ssl_jax.train.state import parameter_count
from ssl_jax.train.workdir import (
    EVALUATION,
    REPORT,
    UNREADABLE,
    check_workdir,
    finished,
    make_workdir,
    write_json,
)


def fit(
    method: Method, data: Dataset, config: ConfigDict, *, workdir: str | Path | None = None
) -> Run:
    """Pretrain a method, see what it learned, and write it all down.

    Run again with the same workdir, it goes on where it stopped, with the result of a run that
    never stopped; a finished run it only takes up again.

    Args:
      method: one of ``ssl_jax.methods`` or your own.
      data: of ``ssl_jax.data.load`` or ``from_arrays``.
      config: ``ssl_jax.config.defaults()`` with your changes; ``train.steps`` or ``train.epochs``
        must be set. A ``method`` block is free to hold what your method needs.
      workdir: for config, metrics, checkpoints, scores and the report; by default a new temporary
        folder, whose name is printed.

    Returns:
      The run: ``.embed(images)``, ``.params``, ``.extra``, ``.config``.

    Raises:
      InputError: a setting makes no sense, the workdir holds another run, or the loss does not
        stay finite.
      Stopped: on Ctrl-C or SIGTERM, after saving.
    """
    console = Console(highlight=False)
    mesh = make_mesh()
    config = settings.resolve(config, data.facts, len(data.pretrain), mesh.size)
    workdir = Path(workdir or tempfile.mkdtemp(prefix="ssl_jax-"))
    check_workdir(workdir, config)
    state = first_state(method, data, config, workdir, mesh)
    like = batch_like(data, config.data.batch_size)
    check_layers(method, state.params, state.extra, like, config.evaluation)
    make_workdir(workdir, config, data.assets)
    done = finished(workdir)
    if done:
        console.print(f"{workdir}: finished; nothing is left to do")
    else:
        _introduce(data, workdir, console)
    began = time.monotonic()
    state = train(method, state, data, config, workdir, mesh, console)
    run = Run(config, method, state.params, state.extra, config.train.steps, data.assets)
    trained = time.monotonic()
    if not done:
        evaluate_run(run, data, workdir, console)
        console.print(
            f"trained in {trained - began:.0f} s, evaluated in {time.monotonic() - trained:.0f} s; "
            f"see {workdir / REPORT}",
            soft_wrap=True,
        )
    return run


def _introduce(data: Dataset, workdir: Path, console: Console) -> None:
    """Say what was loaded and what was chosen for it."""
    console.print(f"{len(data.pretrain):,} examples to train on, {len(data.test):,} to test on")
    for name, value in data.facts.items():
        values = value if isinstance(value, tuple) else (value,)
        console.print(f"{name}: {', '.join(map(_short, values))}")
    for note in data.notes:
        console.print(note, markup=False)
    if data.unreadable:
        write_json(workdir / UNREADABLE, list(data.unreadable))
        console.print(f"{len(data.unreadable)} unreadable files skipped; see {UNREADABLE}")


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def evaluate_run(run: Run, data: Dataset, workdir: Path, console: Console) -> None:
    """Score a run, print the table, and write ``evaluation.json`` and ``report.html``."""
    init_key, step_key = run_keys(run.config)
    mesh = make_mesh()
    rows = metrics.read(workdir)
    with console.status("evaluating"):
        findings = evaluate(run.method, run.params, run.extra, data, run.config, init_key, mesh)
        facts = {
            "steps": f"{run.step:,}",
            "batch": f"{run.config.data.batch_size:,}",
            "examples": f"{len(data.pretrain):,}",
            "parameters": f"{parameter_count(run.params):,}",
            "features": f"{findings.test.z.shape[1]:,}",
            "devices": f"{mesh.size} x {mesh.devices.flat[0].device_kind}",
        }
        if "method" in run.config:
            facts["network"] = run.config.network.name
        look = Look(run.method, run.params, run.extra, data, run.config, findings, step_key)
        page = make_page(look, rows, facts)
        report.write(workdir / REPORT, page)
    write_json(workdir / EVALUATION, findings.values)
    print_scores(console, page)


def print_scores(console: Console, page: Page) -> None:
    """The small table that a run ends with."""
    console.print(verdict(page.metrics, page.values).text)
    for name, value in report.own_scores(page.values).items():
        console.print(f"{name.replace('_', ' ')} {value:.4g}")
    scores = report.score_table(page.values)
    if not scores:
        return
    table = Table("", "learned", "untrained", page.input_name, "lead")
    for column in table.columns[1:]:
        column.justify = "right"
    for score in scores:
        shares = (score.learned, score.random_init, score.input)
        lead = f"{report.points(score.lead)} ± {100 * score.uncertainty:.1f}"
        table.add_row(score.name, *map(report.percent, shares), lead)
    console.print(table)
    console.print(report.verdict(page.values, page.input_name).headline)
