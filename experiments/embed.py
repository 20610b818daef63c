"""Write the embeddings of all images below a folder, or of other data, with their names.

python experiments/embed.py --workdir runs/simclr --data folder:/pictures --output embeddings.npz

--output: x.npz, x.parquet, or a folder of .npy files for what does not fit in memory
--layer:  names of layers, several separated by commas; by default those that the run evaluates

After an interruption the same command continues where it stopped.
"""

from absl import flags

from ssl_jax import cli


def main() -> None:
    """Loads the run, computes the embeddings and writes them."""
    workdir, data, output = map(cli.required, ("workdir", "data", "output"))

    from ssl_jax import load
    from ssl_jax.export.embeddings import write_embeddings

    layers = [name for given in flags.FLAGS.layer for name in given.split(",")]
    run = load(workdir)
    write_embeddings(run, data, output, layers=layers, data_dir=flags.FLAGS.data_dir)


if __name__ == "__main__":
    cli.define_workdir()
    flags.DEFINE_string("data", None, "folder:/path, text:/path or the name of a data set")
    flags.DEFINE_string("output", None, "x.npz, x.parquet or a folder")
    flags.DEFINE_multi_string("layer", [], "a layer of the run; may be repeated")
    flags.DEFINE_string(
        "data_dir", None, "folder with a published archive, or that of TFDS or datasets"
    )
    cli.run(main)
