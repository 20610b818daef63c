"""Loads data by name."""

from collections.abc import Callable, Mapping
from typing import Any

from ssl_jax.data import (
    cifar,
    fashion_mnist,
    moving_fashion,
    options,
    photo_tiles,
    stamps,
    statistics,
    stl10,
    text,
)
from ssl_jax.data.dataset import Dataset
from ssl_jax.data.few import keep_labels
from ssl_jax.data.folder import open_folder
from ssl_jax.data.frame import centers
from ssl_jax.data.holdout import hold_out
from ssl_jax.data.huggingface import open_huggingface
from ssl_jax.data.npz import open_npz
from ssl_jax.data.options import Options
from ssl_jax.data.shards import open_shards
from ssl_jax.data.tfds import check_in_catalogue, open_tfds
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

Opener = Callable[[Options], Dataset]


def load(config_data: Mapping[str, Any]) -> Dataset:
    """Loads the data that a config names.

    One call covers the bundled data sets, published archives, TFDS, the Hugging Face Hub, and your
    own files: only the name changes, and every source comes back with examples of one shape, split
    for pretraining, probing and testing.

    Args:
      config_data: `config.data`, a ConfigDict or dict with the keys of `options.Options`. Its
        `name` is one of:

        - a key of `OPENERS`; those that need neither a network nor another package are
          `fashion_mnist_mini` (gray, labeled), `photo_tiles_mini` (color, without labels),
          `photo_tiles` (the same and what is installed), `moving_fashion` (clips) and
          `python_docs` (text); `stamps` (color, labeled) needs a package of Debian's; `cifar10`,
          `cifar100` and `stl10` are read from their published archives, see `published.py`;
        - `tfds:NAME`, for any image data set that TFDS knows;
        - `hf:OWNER/NAME`, for any image data set of the Hugging Face Hub, or `hf:/path`, for a
          folder that its `datasets` library reads; see hub.py;
        - `folder:/path`, for a tree of image files;
        - `wds:/path`, for tar shards of images in WebDataset's layout;
        - `npz:/path`, for arrays of images with any number of channels;
        - `text:/path`, for one text file or a tree of them.

        If it holds the facts of an earlier load, the same data is loaded again.

    Returns:
      The dataset; `facts` gives the shape of its examples.

    Raises:
      InputError: a key, the name, or the data itself is not valid; the message is one line.
    """
    return _open(options.read(config_data))


def load_of_run(config_data: Mapping[str, Any], *, data_dir: str | None = None) -> Dataset:
    """Loads the data that a workdir's `config.json` names, without trusting the workdir.

    TFDS imports modules that the files of a data set name, so a stranger's files could run code.
    Therefore only names from TFDS's own catalog are accepted, and the `data_dir` of the config is
    ignored, whatever the name: the caller has to pass one. The other sources only read files; what
    they download has a known checksum.

    Any `hf:` name is accepted, so a stranger's config can make this machine download a data set of
    the Hub. That is only data: no code of it is run (hub.py), and its rows can name no image files
    outside of Hugging Face's caches.

    Args:
      config_data: `config.data` of the run.
      data_dir: folder with a published archive, or that of TFDS or datasets; None: the default.

    Returns:
      The dataset.

    Raises:
      InputError: as for `load`; or the name is not in TFDS's catalog; or the config has a
        `data_dir` and the caller passes none.
    """
    requested = options.read(config_data)
    if requested.data_dir is not None and data_dir is None:
        raise InputError(
            f"--data_dir: is missing; the run's config.json names {requested.data_dir!r}, which is "
            "ignored for safety; expected --data_dir with that folder, if you trust it"
        )
    if requested.name.startswith("tfds:"):
        check_in_catalogue(requested.name.removeprefix("tfds:"))
    return _open(requested._replace(data_dir=data_dir and str(expanded(data_dir))))


def _open(requested: Options) -> Dataset:
    dataset = _opener(requested.name)(requested)
    if requested.labels is None:
        return dataset
    return keep_labels(dataset, requested.labels, requested.draw)


def _opener(name: str) -> Opener:
    if name in OPENERS:
        return OPENERS[name]
    for prefix, opener in PREFIXES.items():
        if name.startswith(prefix):
            return opener
    known = ", ".join(OPENERS)
    raise InputError(
        f"data.name: {name!r} is unknown; "
        f"expected one of {known}, tfds:NAME, hf:OWNER/NAME, folder:/path, wds:/path, npz:/path "
        "or text:/path"
    )


def _with_pixel_options(opener: Opener) -> Opener:
    """Makes an opener of images or clips apply `holdout` and add `mean` and `std` to the facts."""

    def opened(requested: Options) -> Dataset:
        if opener is not open_npz:
            options.check_channels(requested)
        dataset = opener(requested)
        options.check_statistics(requested, dataset.facts["channels"])
        if requested.holdout:
            dataset = hold_out(dataset, requested.holdout)
        facts = _with_statistics(dataset, requested)
        frame = requested.frame(facts["image_size"], facts["channels"])
        train, test = centers(dataset.train, frame), centers(dataset.test, frame)
        return dataset._replace(train=train, test=test, facts=facts)

    return opened


def _with_statistics(dataset: Dataset, requested: Options) -> dict[str, Any]:
    """Adds mean and std to the facts: from the options, else known ones, else measured ones."""
    facts = dict(dataset.facts)
    given = {"mean": requested.mean, "std": requested.std}
    facts.update({key: tuple(values) for key, values in given.items() if values is not None})
    if "mean" not in facts or "std" not in facts:
        mean, std = statistics.measure(dataset.pretrain)
        facts = {**facts, "mean": facts.get("mean", mean), "std": facts.get("std", std)}
    return facts


OPENERS: dict[str, Opener] = {
    "fashion_mnist_mini": _with_pixel_options(fashion_mnist.open_mini),
    "fashion_mnist": _with_pixel_options(fashion_mnist.open_whole),
    "moving_fashion": _with_pixel_options(moving_fashion.open_moving),
    "photo_tiles_mini": _with_pixel_options(photo_tiles.open_mini),
    "photo_tiles": _with_pixel_options(photo_tiles.open_all),
    "stamps": _with_pixel_options(stamps.open_stamps),
    "cifar10": _with_pixel_options(lambda requested: cifar.open_cifar(requested, cifar.CIFAR10)),
    "cifar100": _with_pixel_options(lambda requested: cifar.open_cifar(requested, cifar.CIFAR100)),
    "stl10": _with_pixel_options(lambda requested: stl10.open_stl10(requested, stl10.STL10)),
    "imagenet": _with_pixel_options(lambda requested: open_tfds(requested, "imagenet2012")),
    "python_docs": text.open_python_docs,
}
PREFIXES: dict[str, Opener] = {
    "tfds:": _with_pixel_options(
        lambda requested: open_tfds(requested, requested.name.removeprefix("tfds:"))
    ),
    "hf:": _with_pixel_options(open_huggingface),
    "folder:": _with_pixel_options(open_folder),
    "wds:": _with_pixel_options(open_shards),
    "npz:": _with_pixel_options(open_npz),
    "text:": text.open_text,
}
