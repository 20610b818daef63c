"""Fine-tune a pretrained run on labeled data, or train from scratch, and score the classifier.

python experiments/finetune.py --config configs/finetune.py:from=runs/simclr,labels=10 \
    --workdir runs/tuned [--scratch]

With --scratch, the same network is also trained from scratch on the same examples for as many
steps, all of its blocks, in WORKDIR/scratch; WORKDIR/comparison.html shows both.
"""

import sys

from absl import flags

from ssl_jax import cli
from ssl_jax.output import console as make_console
from ssl_jax.paths import expanded


def main() -> None:
    """Loads the labeled data, fits the method, and compares it with training from scratch."""
    from ssl_jax import config as settings
    from ssl_jax import data, fit, methods
    from ssl_jax.errors import InputError
    from ssl_jax.runs.compare import compare

    config, workdir = cli.config(), expanded(cli.required("workdir"))
    settings.check(config)
    if flags.FLAGS.scratch and config.init_from is None:
        raise InputError("--scratch: the run itself starts from scratch; expected from=RUN")
    labeled = data.labeled(data.load(config.data), at_least=config.data.batch_size)
    fit(methods.make, labeled, config, workdir=workdir)
    if flags.FLAGS.scratch:
        config.init_from = config.method.freeze = None
        fit(methods.make, labeled, config, workdir=workdir / "scratch")
        console = make_console(width=None if sys.stdout.isatty() else 160)
        compare([workdir, workdir / "scratch"], workdir / "comparison.html", console)


if __name__ == "__main__":
    cli.define_config()
    cli.define_workdir()
    flags.DEFINE_boolean("scratch", False, "also train from scratch, and compare")
    cli.run(main)
