"""Text as a dataset: windows of tokens.

- Repeated paragraphs are removed first. Then the end of each document, a fifth to a tenth of it, is
  cut off for testing (documents.py). The rest is for training, of the tokenizer too.
- `pretrain`: the documents in a row, with `END` between them, cut into consecutive windows.
- `train`, `test`: windows that each lie inside one document, with its label. A label needs eight
  windows, at least one of them in each split; other labels are left out. With fewer than two labels
  left there are no labels.
- `data.holdout`: the test text is set aside, and the training text is cut once more in its place.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ssl_jax.data import documents, tokeniser
from ssl_jax.data.dataset import Arrays, Dataset, Source, Subset
from ssl_jax.data.documents import Document
from ssl_jax.data.files import Unreadable
from ssl_jax.data.holdout import draw
from ssl_jax.data.options import Options
from ssl_jax.data.tree import printable
from ssl_jax.errors import InputError

ASSET = "tokeniser.json"
_VOCABULARY = 1024
_TOKENS = 64
_MIN_WINDOWS = 8


def open_python_docs(asked: Options) -> Dataset:
    """Opens the language reference that Python's `help()` shows; the labels are its topics.

    The text depends on the version of Python.
    """
    from pydoc_data.topics import topics

    return _dataset(asked, [Document(text, topic) for topic, text in sorted(topics.items())])


def open_text(asked: Options) -> Dataset:
    """Opens `text:/path`, a UTF-8 file or a tree of `.txt` files; the top folders are the labels.

    Raises:
      InputError: the path is missing, holds too little readable text, or holds more than
        `max_unreadable` files that cannot be read.
    """
    given = asked.name.removeprefix("text:")
    path = Path(given).expanduser()
    if not given or not path.exists():
        raise InputError(f"data.name: {asked.name!r} does not exist; expected text:/path")
    unreadable = Unreadable(asked.name, asked.max_unreadable)
    found = documents.read(path, unreadable)
    if not found:
        raise InputError(
            f"data.name: {asked.name!r} holds no readable text; expected UTF-8 in files ending "
            f"in .txt, found {len(unreadable.reasons)} unreadable"
        )
    return _dataset(asked, found)._replace(unreadable=unreadable.reasons)


def windows(numbers: Int[np.ndarray, " _"], tokens: int) -> Int[np.ndarray, "w t"]:
    """Cuts a text into consecutive windows of `tokens` tokens and drops an incomplete last one."""
    count = len(numbers) // tokens
    return numbers[: count * tokens].reshape(count, tokens)


def pack(texts: Sequence[Int[np.ndarray, " _"]], tokens: int) -> Int[np.ndarray, "w t"]:
    """Joins texts, with `END` between them, and cuts the result into windows."""
    end = np.full(1, tokeniser.END_ID, np.int32)
    parts = [part for text in texts for part in (end, text)]
    return windows(np.concatenate(parts[1:]), tokens)


def _dataset(asked: Options, found: Sequence[Document]) -> Dataset:
    tokens = asked.tokens or _TOKENS
    kept = documents.distinct(found)
    parts = [documents.cut(document.text) for document in kept]
    if asked.holdout:
        parts = [documents.cut(training_text) for training_text, _ in parts]
    training_texts, test_texts = zip(*parts, strict=True)
    tokenizer_json = tokeniser.train(training_texts, asked.vocabulary or _VOCABULARY)
    training_ids = tokeniser.encode_whole(tokenizer_json, training_texts)
    test_ids = tokeniser.encode_whole(tokenizer_json, test_texts)
    packed = pack(training_ids, tokens)
    training_windows = [windows(ids, tokens) for ids in training_ids]
    test_windows = [windows(ids, tokens) for ids in test_ids]

    labels = [document.label for document in kept]
    names = _label_names(labels, training_windows, test_windows)
    train, test = (_source(part, labels, names) for part in (training_windows, test_windows))
    if not (len(packed) and len(train) and len(test)):
        raise InputError(
            f"data.name: {asked.name!r} holds too little text; expected windows of {tokens} tokens "
            f"(data.tokens), found {len(train)} to train and {len(test)} to test on"
        )
    notes = _notes(found, kept, names)
    test_source: Source = test
    if asked.holdout:
        test_source = _held_out(test, asked.holdout)
        notes.append(f"holdout: {asked.holdout} training windows replace the test set")
    return Dataset(
        pretrain=Arrays({"tokens": packed}),
        train=train,
        test=test_source,
        label_names=names and tuple(map(printable, names)),
        facts={"modality": "text", "vocabulary": tokeniser.size(tokenizer_json), "tokens": tokens},
        notes=tuple(notes),
        assets={ASSET: tokenizer_json},
    )


def _label_names(
    labels: Sequence[str | None],
    training_windows: Sequence[np.ndarray],
    test_windows: Sequence[np.ndarray],
) -> tuple[str, ...] | None:
    """Returns the labels with enough windows, sorted, or None if there are fewer than two."""
    train_counts, test_counts = Counter[str](), Counter[str]()
    for label, train, test in zip(labels, training_windows, test_windows, strict=True):
        if label is not None:
            train_counts[label] += len(train)
            test_counts[label] += len(test)
    total = train_counts + test_counts
    names = tuple(
        label
        for label in sorted(train_counts)
        if train_counts[label] and test_counts[label] and total[label] >= _MIN_WINDOWS
    )
    return names if len(names) > 1 else None


def _source(
    parts: Sequence[np.ndarray], labels: Sequence[str | None], names: tuple[str, ...] | None
) -> Arrays:
    """Returns all windows if `names` is None; else those of documents labeled with one of them.

    The latter have a `label`, the position in `names`.
    """
    if names is None:
        return Arrays({"tokens": np.concatenate(parts)})
    numbers = {name: number for number, name in enumerate(names)}
    labeled = [
        (part, np.full(len(part), numbers[label], np.int32))
        for part, label in zip(parts, labels, strict=True)
        if label in numbers
    ]
    labeled_parts, part_labels = zip(*labeled, strict=True)
    return Arrays({"tokens": np.concatenate(labeled_parts), "label": np.concatenate(part_labels)})


def _held_out(test: Arrays, count: int) -> Subset:
    if count > len(test):
        raise InputError(
            f"data.holdout: {count} is more than the windows cut from the training text; "
            f"expected at most {len(test)}"
        )
    return Subset(test, draw(test, count))


def _notes(
    found: Sequence[Document], kept: Sequence[Document], names: tuple[str, ...] | None
) -> list[str]:
    """Returns notes for the user: what was left out, or is used for pretraining only."""
    left_out = sum(len(document.text) for document in found)
    left_out -= sum(len(document.text) for document in kept)
    notes = [f"{left_out:,} characters of repeated paragraphs are left out"] if left_out else []
    too_small = {document.label for document in found} - {None, *(names or ())}
    if names is None and too_small:
        notes.append(f"no labels: at least two labels need {_MIN_WINDOWS} windows or more")
    elif too_small:
        notes.append(f"{len(too_small)} labels with too little text are used for pretraining only")
    unlabeled = sum(document.label is None for document in found)
    if names is not None and unlabeled:
        notes.append(f"{unlabeled} texts without a label are used for pretraining only")
    return notes
