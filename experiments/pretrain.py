"""Pretrain a method and evaluate what it learned.

python experiments/pretrain.py --config configs/simclr.py --workdir runs/simclr
"""

from ssl_jax import cli


def main() -> None:
    """Loads the data and fits the method."""
    from ssl_jax import config as settings
    from ssl_jax import data, fit, methods

    config, workdir = cli.config(), cli.required("workdir")
    settings.check(config)
    fit(methods.make, data.load(config.data), config, workdir=workdir)


if __name__ == "__main__":
    cli.define_config()
    cli.define_workdir()
    cli.run(main)
