"""Predict the class of every image below a folder with a fine-tuned run.

python experiments/predict.py --workdir runs/tuned --data folder:/new --output predictions.csv
"""

from absl import flags

from ssl_jax import cli


def main() -> None:
    """Loads the run and writes the predictions."""
    workdir, data, output = map(cli.required, ("workdir", "data", "output"))

    from ssl_jax import load
    from ssl_jax.export.predictions import write_predictions

    write_predictions(load(workdir), data, output, data_dir=flags.FLAGS.data_dir)


if __name__ == "__main__":
    cli.define_workdir()
    flags.DEFINE_string("data", None, "folder:/path or the name of a data set")
    flags.DEFINE_string("output", None, "the CSV file to write")
    flags.DEFINE_string(
        "data_dir", None, "folder with a published archive, or that of TFDS or datasets"
    )
    cli.run(main)
