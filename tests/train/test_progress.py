"""Progress is a bar on a terminal and plain lines elsewhere."""

import io

from rich.console import Console

from ssl_jax.train import progress
from ssl_jax.train.progress import ProgressLine


def test_plain_lines_ignore_the_compilation_and_end_with_the_last_step(monkeypatch):
    clock = iter([0.0, 100.0, 112.0, 113.0, 124.0, 136.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    out = io.StringIO()
    line = ProgressLine(Console(file=out, highlight=False, width=200), 0, 50)
    for step in (10, 20, 21, 30, 50):
        line.show(step, 1.25, 1234.0, 0.34 if step == 30 else 0.1)
    line.close()
    assert out.getvalue().splitlines() == [
        "step 20/50  loss 1.250  1,234 examples/s  left 36 s",
        "step 30/50  loss 1.250  1,234 examples/s  waiting for data 34 % of the time  left 24 s",
        "step 50/50  loss 1.250  1,234 examples/s",
    ]


def test_a_terminal_gets_a_bar_that_starts_where_the_run_resumes():
    out = io.StringIO()
    line = ProgressLine(Console(file=out, force_terminal=True, width=120), 20, 50)
    assert "nan" not in out.getvalue()
    line.show(40, 0.5, 300.0, 0.0)
    line.close()
    assert "step 40/50" in out.getvalue()
    assert "loss 0.500" in out.getvalue()
