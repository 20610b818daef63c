"""Pretrain a method and see what it learned.

python experiments/pretrain.py --config configs/simclr.py --workdir runs/simclr
"""

import jax

from ssl_jax import cli


def main() -> None:
    """Load the data, make the method, fit."""
    from ssl_jax import config as settings
    from ssl_jax import data, methods, train

    config, workdir = cli.config(), cli.required("workdir")
    settings.check(config)
    dataset = data.load(config.data)
    config = settings.resolve(config, dataset.facts, len(dataset.pretrain), jax.device_count())
    train.fit(methods.make(config), dataset, config, workdir=workdir)


if __name__ == "__main__":
    cli.define_config()
    cli.define_workdir()
    cli.run(main)
