"""Makes a whole run: trains, evaluates, reports."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict
from rich.console import Console

from ssl_jax.config import resolve
from ssl_jax.data import Dataset
from ssl_jax.data.frame import check_whole
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.data.streams import training_source
from ssl_jax.evaluation.classes import by_class
from ssl_jax.evaluation.evaluate import evaluate, scored
from ssl_jax.evaluation.features import check_layers
from ssl_jax.evaluation.limits import limits
from ssl_jax.methods.base import Method
from ssl_jax.output import console as make_console
from ssl_jax.paths import expanded
from ssl_jax.placement import Placement, make_placement
from ssl_jax.report.console import print_scores
from ssl_jax.report.page import write
from ssl_jax.report.run_page import make_page
from ssl_jax.report.sections import Subject
from ssl_jax.runs.init_from import with_backbone_of
from ssl_jax.runs.resume import first_state
from ssl_jax.runs.run import Run
from ssl_jax.runs.session import own_settings
from ssl_jax.runs.workdir import (
    CLASSES,
    EVALUATION,
    REPORT,
    UNREADABLE,
    check_workdir,
    finished,
    make_workdir,
    write_json,
)
from ssl_jax.train import metrics, online_probe, optim
from ssl_jax.train.loop import run_keys, train
from ssl_jax.train.state import parameter_count


@own_settings()
def fit(
    method_or_make: Method | Callable[[ConfigDict], Method],
    data: Dataset,
    config: ConfigDict,
    *,
    workdir: str | Path | None = None,
) -> Run:
    """Trains a method, evaluates what it learned, and writes a report.

    A second call with the same workdir continues where the first one stopped, and ends with the
    result of a run that never stopped. A finished run is only loaded.

    Several processes (``jax.distributed``) train one run together if all of them call this with the
    same workdir. The main process prints and writes the files; all of them write checkpoints. They
    do not evaluate: a call in a single process does that afterwards.

    Args:
      method_or_make: a method, or a function that builds one from the resolved config, such as
        ``ssl_jax.methods.make`` or your own.
      data: from ``ssl_jax.data.load`` or ``from_arrays``.
      config: ``ssl_jax.config.defaults()`` with your changes; ``train.steps`` or ``train.epochs``
        must be set. Its ``method`` block may hold whatever your own method needs.
      workdir: for config, metrics, checkpoints, scores and the report; by default a new temporary
        folder, whose name is printed.

    Returns:
      The run: ``.embed(images)``, ``.params``, ``.extra``, ``.config``.

    Raises:
      InputError: a setting makes no sense, the workdir holds another run, or the loss does not
        stay finite.
      Stopped: on Ctrl-C or SIGTERM, after saving.
    """
    placement = make_placement()
    console = make_console(quiet=not placement.is_main)
    config = resolve(
        config, data.facts, len(data.pretrain), placement.mesh.size, data.label_names or ()
    )
    method = method_or_make if isinstance(method_or_make, Method) else method_or_make(config)
    online_probe.check(data, config)
    trained, optimizer = online_probe.beside(method, config), optim.make(config)
    workdir = expanded(workdir or tempfile.mkdtemp(prefix="ssl_jax-"))
    check_workdir(workdir, config, data.contents)
    check_whole(data.pretrain[0], config.data.get("stored_size"))
    batch = _batch(data, trained.inputs, config)
    params, extra = jax.eval_shape(method.init, jax.random.key(0), batch)
    evaluated = _batch(data._replace(pretrain=data.train), trained.inputs, config)
    check_layers(method, params, extra, evaluated, config.evaluation)
    state, is_new = first_state(trained, optimizer, batch, config, workdir, placement)
    if is_new and config.init_from is not None:
        params, extra, taken = with_backbone_of(
            expanded(config.init_from),
            trained,
            state.params,
            state.extra,
            placement,
            config.network,
        )
        state = state._replace(params=params, extra=extra)
        console.print(taken, markup=False, soft_wrap=True)
    if placement.is_main:
        make_workdir(workdir, config, data.assets, data.contents)
    done = finished(workdir)
    if done:
        console.print(f"{workdir}: finished; nothing is left to do", markup=False)
    elif placement.is_main:
        _introduce(data, config, workdir, console)
    began = time.monotonic()
    try:
        state = train(trained, optimizer, state, data, config, workdir, placement, console)
        extra = online_probe.without(state.extra, config)
        run = Run(config, method, state.params, extra, config.train.steps, data.assets)
        ended = time.monotonic()
        if not done and jax.process_count() > 1:
            console.print("not evaluated; the same call in a single process evaluates the run")
        elif not done:
            evaluate_run(run, data, workdir, placement, console)
            console.print(
                f"trained in {ended - began:.0f} s, evaluated in {time.monotonic() - ended:.0f} s; "
                f"see {workdir / REPORT}",
                markup=False,
                soft_wrap=True,
            )
    finally:
        if placement.is_main and not done:
            _list_skipped(data, workdir)  # more files may have turned out to be unreadable
    return run


def evaluate_run(
    run: Run, data: Dataset, workdir: Path, placement: Placement, console: Console
) -> None:
    """Scores a run, prints a table, and writes its scores and ``report.html``."""
    init_key, step_key = run_keys(run.config)
    rows = metrics.read(workdir)
    held_out, data = len(data.test), scored(data, run.config.evaluation)
    with console.status("evaluating"):
        findings = evaluate(
            run.method, run.params, run.extra, data, run.config, init_key, placement
        )
        mesh = placement.mesh
        facts = {
            "steps": f"{run.step:,}",
            "batch size": f"{run.config.data.batch_size:,}",
            "examples": f"{len(data.pretrain):,}",
            "parameters": f"{parameter_count(run.params):,}",
            "features": f"{findings.test.z.shape[1]:,}",
            "devices": f"{mesh.size} x {mesh.devices.flat[0].device_kind}",
        }
        fitted, labels = len(findings.train.z), findings.train.y
        if labels is not None and fitted < len(data.train):
            facts["probes fitted to"] = f"{fitted:,} of {len(data.train):,} examples"
        if len(data.test) < held_out:
            facts["scored on"] = f"{len(data.test):,} of {held_out:,} examples"
        if run.config.evaluation.linear_layers:
            facts["linear probes read"] = ", ".join(run.config.evaluation.linear_layers)
        if "method" in run.config:
            facts["network"] = run.config.network.name
        subject = Subject(
            run.method, run.params, run.extra, data, run.config, findings, step_key, placement
        )
        page = make_page(subject, rows, facts)
        write(workdir / REPORT, page)
    if findings.predictions is not None:
        labels = np.asarray(findings.test.y)
        classes = by_class(labels, findings.predictions, data.label_names)
        write_json(workdir / CLASSES, classes)
    write_json(workdir / EVALUATION, findings.values)
    print_scores(console, page)


def _batch(
    data: Dataset, inputs: Sequence[str] | None, config: ConfigDict
) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes of a batch of ``data.pretrain``."""
    example = training_source(data, inputs)[0]
    return batch_like({k: np.asarray(v) for k, v in example.items()}, config.data.batch_size)


def _introduce(data: Dataset, config: ConfigDict, workdir: Path, console: Console) -> None:
    """Prints what was loaded, what it settled and what cannot be scored; lists skipped files."""
    console.print(f"{len(data.pretrain):,} examples to train on, {len(data.test):,} to test on")
    for name, value in data.facts.items():
        values = value if isinstance(value, tuple) else (value,)
        console.print(f"{name}: {', '.join(map(_short, values))}")
    for note in (*data.notes, *limits(data, config)):
        console.print(note, markup=False, soft_wrap=True)
    if skipped := _list_skipped(data, workdir):
        console.print(f"{skipped}; see {UNREADABLE}")


def _list_skipped(data: Dataset, workdir: Path) -> str:
    """Writes which files are skipped, and why; returns how many cannot be read."""
    if not (data.unreadable or data.left_out):
        return ""
    write_json(workdir / UNREADABLE, {**data.left_out, **data.unreadable})
    return f"{len(data.unreadable):,} unreadable files skipped"


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
