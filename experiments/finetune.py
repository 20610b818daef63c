"""Fine-tune a pretrained run on labeled data, or train from scratch, and score the classifier.

python experiments/finetune.py --config configs/finetune.py:from=runs/simclr,labels=10 \
    --workdir runs/tuned
"""

from ssl_jax import cli


def main() -> None:
    """Loads the labeled data and fits the method."""
    from ssl_jax import config as settings
    from ssl_jax import data, fit, methods

    config, workdir = cli.config(), cli.required("workdir")
    settings.check(config)
    labeled = data.labeled(data.load(config.data), at_least=config.data.batch_size)
    fit(methods.make, labeled, config, workdir=workdir)


if __name__ == "__main__":
    cli.define_config()
    cli.define_workdir()
    cli.run(main)
