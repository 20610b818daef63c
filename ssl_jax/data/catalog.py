"""The data that can be named, and loading it."""

from collections.abc import Callable, Mapping
from typing import Any

from ssl_jax.data import fashion_mnist, moving_fashion, options, statistics, text
from ssl_jax.data.dataset import Dataset
from ssl_jax.data.folder import open_folder
from ssl_jax.data.holdout import hold_out
from ssl_jax.data.options import Options
from ssl_jax.data.tfds import check_in_catalogue, open_tfds
from ssl_jax.errors import InputError

Opener = Callable[[Options], Dataset]


def load(config_data: Mapping[str, Any]) -> Dataset:
    """Loads the data that a config names.

    Args:
      config_data: `config.data`, a ConfigDict or dict with the keys of `options.Options`. Its
        `name` is a key of `OPENERS`, or `tfds:NAME` for any data set of images that TFDS knows, or
        `folder:/path` for a tree of picture files, or `text:/path` for a file of text or a tree of
        them. The facts of an earlier load, stored in it, give the same data again.

    Returns:
      The dataset; its examples have the shape that `facts` says.

    Raises:
      InputError: a key, the name or the data behind it is wrong; in one line.
    """
    asked = options.read(config_data)
    return _opener(asked.name)(asked)


def load_of_run(config_data: Mapping[str, Any], *, data_dir: str | None = None) -> Dataset:
    """Loads the data that a workdir's `config.json` names; the workdir may come from anyone.

    Files of a TFDS data set name modules that TFDS imports. So only names of TFDS's own catalogue
    are taken, and a `data_dir` has to be given anew. The other sources only read files.

    Args:
      config_data: `config.data` of the run.
      data_dir: where TFDS keeps its data; None is TFDS's own default.

    Returns:
      The dataset.

    Raises:
      InputError: as `load`; or TFDS's catalogue does not have the name; or the config has a
        `data_dir` and none is given.
    """
    asked = options.read(config_data)
    if asked.data_dir is not None and data_dir is None:
        raise InputError(
            f"--data_dir: is missing; the run's config.json names {asked.data_dir!r}, which is "
            "ignored for safety; expected --data_dir, if you trust that folder"
        )
    if asked.name.startswith("tfds:"):
        check_in_catalogue(asked.name.removeprefix("tfds:"))
    return _opener(asked.name)(asked._replace(data_dir=data_dir))


def _opener(name: str) -> Opener:
    if name in OPENERS:
        return OPENERS[name]
    for prefix, opener in PREFIXES.items():
        if name.startswith(prefix):
            return opener
    known = ", ".join(OPENERS)
    raise InputError(
        f"data.name: {name!r} is unknown; "
        f"expected one of {known}, tfds:NAME, folder:/path or text:/path"
    )


def _of_pictures(opener: Opener) -> Opener:
    """An opener with what images and clips share: holding out, and mean and std as facts."""

    def opened(asked: Options) -> Dataset:
        dataset = opener(asked)
        options.check_statistics(asked, dataset.facts["channels"])
        if asked.holdout:
            dataset = hold_out(dataset, asked.holdout)
        return dataset._replace(facts=_with_statistics(dataset, asked))

    return opened


def _with_statistics(dataset: Dataset, asked: Options) -> dict[str, Any]:
    """The facts with mean and std: what is asked for, else what is known, else measured."""
    facts = dict(dataset.facts)
    given = {"mean": asked.mean, "std": asked.std}
    facts.update({key: tuple(values) for key, values in given.items() if values is not None})
    if "mean" not in facts or "std" not in facts:
        mean, std = statistics.measure(dataset.pretrain)
        facts = {**facts, "mean": facts.get("mean", mean), "std": facts.get("std", std)}
    return facts


OPENERS: dict[str, Opener] = {
    "fashion_mnist_mini": _of_pictures(fashion_mnist.open_mini),
    "fashion_mnist": _of_pictures(fashion_mnist.open_whole),
    "moving_fashion": _of_pictures(moving_fashion.open_moving),
    "cifar10": _of_pictures(lambda asked: open_tfds(asked, "cifar10")),
    "cifar100": _of_pictures(lambda asked: open_tfds(asked, "cifar100")),
    "stl10": _of_pictures(lambda asked: open_tfds(asked, "stl10")),
    "imagenet": _of_pictures(lambda asked: open_tfds(asked, "imagenet2012")),
    "python_docs": text.open_python_docs,
}
PREFIXES: dict[str, Opener] = {
    "tfds:": _of_pictures(lambda asked: open_tfds(asked, asked.name.removeprefix("tfds:"))),
    "folder:": _of_pictures(open_folder),
    "text:": text.open_text,
}
