"""Evaluate a run's last checkpoint again, and rewrite its scores and its page.

python experiments/evaluate.py --workdir runs/simclr [--data_dir /with/the/archive/or/of/tfds]

The following options compute something else instead, and leave the scores and the page as they are.
They may be combined. The numbers go to more.json in the workdir, beside earlier ones; with --data
they go to transfer-NAME.json. Everything is compared with the same network untrained and with the
raw input.

--data SOURCE  score the encoder on other labeled data: folder:/pictures, cifar10, tfds:NAME, ...
--layer NAME   use these layers instead of those that the run evaluates; may be repeated, or hold
               several names separated by commas; "all" scores each layer by itself
--kmeans       cluster the test features, and compare the clusters with the classes
--label_curve  vary the number of labels per class: 1, 2, 5, 10, ..., all
--corruptions  classify test images with noise, blur, less contrast, or larger pixels
"""

from absl import flags

from ssl_jax import cli
from ssl_jax.output import console as make_console
from ssl_jax.paths import expanded


def main() -> None:
    """Loads the run and its data, scores it and writes the results."""
    from ssl_jax import data, load
    from ssl_jax.placement import make_placement
    from ssl_jax.runs.evaluate_again import Options, check_weights, evaluate_again
    from ssl_jax.runs.fit import evaluate_run

    workdir, given = expanded(cli.required("workdir")), flags.FLAGS
    options = Options(
        data=given.data,
        data_dir=given.data_dir,
        layers=tuple(name for names in given.layer for name in names.split(",")),
        kmeans=given.kmeans,
        label_curve=given.label_curve,
        corruptions=given.corruptions,
    )
    if options.any:
        evaluate_again(workdir, options, make_console())
        return
    run = load(workdir)
    check_weights(run, workdir)
    dataset = data.load_of_run(run.config.data, data_dir=given.data_dir)
    evaluate_run(run, dataset, workdir, make_placement(), make_console())


if __name__ == "__main__":
    cli.define_workdir()
    flags.DEFINE_string(
        "data_dir",
        None,
        "folder with a published archive, or that of TFDS or datasets; the run's own is ignored",
    )
    flags.DEFINE_string("data", None, "other labeled data, such as folder:/path or cifar10")
    flags.DEFINE_multi_string("layer", [], "a layer of the run, or all; may be repeated")
    flags.DEFINE_boolean("kmeans", False, "cluster the test features")
    flags.DEFINE_boolean("label_curve", False, "vary the number of labels per class")
    flags.DEFINE_boolean("corruptions", False, "corrupt the test images")
    cli.run(main)
