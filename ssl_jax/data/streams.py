"""Training batches: each holds the entries that the method asks for.

A method on unlabeled data asks only for its inputs; fine-tuning asks for ``label`` too. Today all
entries come from ``Dataset.pretrain``. A second, unlabeled stream will be joined here, under names
of its own.
"""

from collections.abc import Generator, Sequence

import numpy as np

from ssl_jax.data.dataset import Dataset, Example, Source, gather
from ssl_jax.data.few import read_labels
from ssl_jax.data.frame import whole
from ssl_jax.data.pipeline import batches
from ssl_jax.errors import InputError


class Columns:
    """The examples of another source, each with only some of its entries."""

    def __init__(self, source: Source, names: Sequence[str]):
        self.source = source
        self.names = tuple(names)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        example = self.source[index]
        return {name: example[name] for name in self.names}

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at ``indices``, int ``[m]``, as a batch ``{name: [m, ...]}``."""
        batch = gather(self.source, indices)
        return {name: batch[name] for name in self.names}


def training_source(data: Dataset, inputs: Sequence[str] | None) -> Source:
    """Returns the examples that a method trains on, with the entries that it asks for.

    Args:
      data: the dataset, whose ``pretrain`` source is used; see ``labeled``.
      inputs: the entries that the method asks for; None stands for all but labels. Pictures that
        are stored whole come with their ``aspect``.

    Raises:
      InputError: the data has no entry of that name.
    """
    available = data.pretrain[0].keys()
    if inputs is None:
        return Columns(data.pretrain, sorted(available - {"label", *data.further_labels}))
    for name in inputs:
        if name not in available:
            raise InputError(
                f"data.name: the training examples have no {name!r}, which the method asks for; "
                f"expected {', '.join(map(repr, inputs))}, found {', '.join(map(repr, available))}"
            )
    beside = {"aspect"} & available - set(inputs)
    return Columns(data.pretrain, (*inputs, *beside))


class Repeated:
    """Another source, several times over."""

    def __init__(self, source: Source, times: int):
        self.source = source
        self.times = times

    def __len__(self) -> int:
        return self.times * len(self.source)

    def __getitem__(self, index: int) -> Example:
        return self.source[index % len(self.source)]

    def take(self, indices: np.ndarray) -> Example:
        """Reads the examples at ``indices``, int ``[m]``, as a batch ``{name: [m, ...]}``."""
        return gather(self.source, indices % len(self.source))


def labeled(data: Dataset, *, at_least: int = 1) -> Dataset:
    """Returns the dataset with methods training on its labeled examples.

    Args:
      data: the dataset, whose ``train`` source is used.
      at_least: the number of examples that is needed, such as the batch size; if there are fewer,
        they are repeated.

    Raises:
      InputError: the data has no labels, or a single class, or test examples of a class without
        training examples (which is named).
    """
    labels, test_labels = read_labels(data.train), read_labels(data.test)
    if labels is None or test_labels is None:
        raise InputError("data.name: the data has no labels; expected labeled examples")
    trained, tested = np.unique(labels), np.unique(test_labels)
    if len(trained) < 2:
        raise InputError("data.name: all training examples have the same label; expected two")
    if len(unknown := np.setdiff1d(tested, trained)):
        names = data.label_names or tuple(map(str, range(unknown.max() + 1)))
        listed = ", ".join(repr(names[label]) for label in unknown)
        raise InputError(
            f"data.name: there are test examples but no training examples of {listed}; expected "
            "training examples of each class"
        )
    times = -(-at_least // len(data.train))
    source = whole(data.train)
    source = source if times == 1 else Repeated(source, times)
    return data._replace(pretrain=source)


def training_batches(
    data: Dataset,
    inputs: Sequence[str] | None,
    batch_size: int,
    *,
    seed: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Generator[Example]:
    """Yields the training batches of a method; see ``pipeline.batches`` and ``training_source``."""
    return batches(
        training_source(data, inputs),
        batch_size,
        seed=seed,
        start_step=start_step,
        process_index=process_index,
        process_count=process_count,
    )
