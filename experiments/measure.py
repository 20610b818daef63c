"""Measure the default presets, and write all tables and score lines from the results.

python experiments/measure.py run simclr mae [--workdir runs]   # or: run all
python experiments/measure.py finetune simclr mae [--workdir runs]   # or: finetune all
python experiments/measure.py filters [--workdir runs]
python experiments/measure.py write

``run`` trains and evaluates in WORKDIR/simclr, where it resumes a run that was stopped, and records
the result with its provenance in docs/results/simclr.json. Some configs are run with three seeds,
the others in WORKDIR/simclr-seed1 and WORKDIR/simclr-seed2. It also takes the names of variants of
presets (experiments/results/comparisons.py). ``finetune`` adds to the results of runs on images how
well they are fine-tuned with 10 labels per class, at the learning rates that experiments/labels.py
has chosen. ``filters`` draws docs/filters.png from the runs of the denoising autoencoder. All
commands then update the tables in README.md and docs/results.md, the scores in configs/, and
docs/settings.md.
"""

import sys
from pathlib import Path
from typing import Any

from absl import flags

from ssl_jax import cli
from ssl_jax.errors import InputError
from ssl_jax.output import write_whole
from ssl_jax.paths import expanded

ROOT = Path(__file__).resolve().parents[1]
_NOT_MEASURED = ("common", "finetune")  # experiments/labels.py measures fine-tuning
_TAKES_NAMES = {"run": True, "finetune": True, "filters": False, "write": False}
_EXPECTED = "run CONFIG..., run all, finetune CONFIG..., finetune all, filters, or write"


def main(*words: str) -> None:
    """Measures the named configs, then writes the pages."""
    from experiments.results import few, filters, pages, record
    from experiments.results.comparisons import COMPARISONS, VARIANTS

    known = sorted(
        path.stem for path in (ROOT / "configs").glob("*.py") if path.stem not in _NOT_MEASURED
    )
    command, *names = words
    if _TAKES_NAMES.get(command) != bool(names):
        raise InputError(f"{' '.join(words)}: is unknown; expected {_EXPECTED}")
    workdirs, results = expanded(flags.FLAGS.workdir), ROOT / "docs/results"
    if command == "run":
        known += VARIANTS
    elif command == "finetune":
        known = [name for name in known if few.can(results / f"{name}.json")]
    scratch: dict[str, Any] = {}
    for name in known if names == ["all"] else names:
        if name not in known:
            raise InputError(f"{name}: is unknown; expected all, or some of {', '.join(known)}")
        if command == "run":
            record.run(name, workdirs, results)
        else:
            rates = record.read(ROOT / "docs/labels.json")["rates"]
            few.add(results / f"{name}.json", workdirs / name, rates, scratch)
    if command == "filters":
        runs = [workdirs / row.result for row in COMPARISONS["noise"].rows]
        write_whole(ROOT / "docs/filters.png", filters.picture(list(map(filters.first, runs))))
    pages.write(ROOT)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    flags.DEFINE_string("workdir", "runs", "the folder of the runs")
    cli.run(main, several=_EXPECTED)
