"""Text as a dataset: windows of tokens.

- A paragraph is kept in one place (documents.py); then the last fifth of every document is cut off
  to test on. What is left is trained on, by the tokeniser too.
- `pretrain`: the documents one after the other, `END` between them, in windows that join.
- `train`, `test`: windows inside one document, with its label. Labels with fewer than eight
  windows, or none to train or to test on, are left out; with fewer than two there are no labels.
- `data.holdout`: the test text is put away and what is trained on is cut once more.
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
from ssl_jax.data.splits import printable
from ssl_jax.errors import InputError

ASSET = "tokeniser.json"
_VOCABULARY = 1024
_TOKENS = 64
_FEWEST = 8


def open_python_docs(asked: Options) -> Dataset:
    """Opens the language reference that Python's `help()` shows; the labels are its topics.

    It differs from one version of Python to the next.
    """
    from pydoc_data.topics import topics

    return _dataset(asked, [Document(text, topic) for topic, text in sorted(topics.items())])


def open_text(asked: Options) -> Dataset:
    """Opens `text:/path`, a UTF-8 file or a tree of `.txt` files; labels are its first folders.

    Raises:
      InputError: the path is missing, or holds no readable text or too little, or more than
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
            f"in .txt, found {len(unreadable.paths)} unreadable"
        )
    return _dataset(asked, found)._replace(
        unreadable=tuple(sorted(map(printable, unreadable.paths)))
    )


def windows(numbers: Int[np.ndarray, " _"], tokens: int) -> Int[np.ndarray, "w t"]:
    """Cuts a text into windows of `tokens` tokens that join; an incomplete last one is dropped."""
    count = len(numbers) // tokens
    return numbers[: count * tokens].reshape(count, tokens)


def pack(texts: Sequence[Int[np.ndarray, " _"]], tokens: int) -> Int[np.ndarray, "w t"]:
    """The windows of texts one after the other with `END` between them."""
    end = np.full(1, tokeniser.END_ID, np.int32)
    joined = [part for text in texts for part in (end, text)]
    return windows(np.concatenate(joined[1:]), tokens)


def _dataset(asked: Options, whole: Sequence[Document]) -> Dataset:
    tokens = asked.tokens or _TOKENS
    kept = documents.distinct(whole)
    parts = [documents.cut(document.text) for document in kept]
    if asked.holdout:
        parts = [documents.cut(trained) for trained, _ in parts]
    training_texts, test_texts = zip(*parts, strict=True)
    learned = tokeniser.train(training_texts, asked.vocabulary or _VOCABULARY)
    training_ids = tokeniser.encode_whole(learned, training_texts)
    packed = pack(training_ids, tokens)
    trained = [windows(ids, tokens) for ids in training_ids]
    tested = [windows(ids, tokens) for ids in tokeniser.encode_whole(learned, test_texts)]

    labels = [document.label for document in kept]
    names = _names(labels, trained, tested)
    train, test = (_source(part, labels, names) for part in (trained, tested))
    if not (len(packed) and len(train) and len(test)):
        raise InputError(
            f"data.name: {asked.name!r} holds too little text; expected windows of {tokens} tokens "
            f"(data.tokens), found {len(train)} to train and {len(test)} to test on"
        )
    notes = _notes(whole, kept, names)
    tested_on: Source = test
    if asked.holdout:
        tested_on = _held_out(test, asked.holdout)
        notes.append(f"holdout: {asked.holdout} training windows take the place of the test set")
    return Dataset(
        pretrain=Arrays({"tokens": packed}),
        train=train,
        test=tested_on,
        label_names=names and tuple(map(printable, names)),
        facts={"modality": "text", "vocabulary": tokeniser.size(learned), "tokens": tokens},
        notes=tuple(notes),
        assets={ASSET: learned},
    )


def _names(
    labels: Sequence[str | None], trained: Sequence[np.ndarray], tested: Sequence[np.ndarray]
) -> tuple[str, ...] | None:
    """The labels with enough windows, sorted, or None if they are fewer than two."""
    to_train, to_test = Counter[str](), Counter[str]()
    for label, training_windows, test_windows in zip(labels, trained, tested, strict=True):
        if label is not None:
            to_train[label] += len(training_windows)
            to_test[label] += len(test_windows)
    names = tuple(
        label
        for label in sorted(to_train)
        if to_train[label] and to_test[label] and to_train[label] + to_test[label] >= _FEWEST
    )
    return names if len(names) > 1 else None


def _source(
    parts: Sequence[np.ndarray], labels: Sequence[str | None], names: tuple[str, ...] | None
) -> Arrays:
    """The windows of all documents, or of those whose label is one of `names`, with its number."""
    if names is None:
        return Arrays({"tokens": np.concatenate(parts)})
    numbers = {name: number for number, name in enumerate(names)}
    used = [
        (part, numbers[label])
        for part, label in zip(parts, labels, strict=True)
        if label in numbers
    ]
    by_window = [np.full(len(part), number, np.int32) for part, number in used]
    return Arrays(
        {"tokens": np.concatenate([part for part, _ in used]), "label": np.concatenate(by_window)}
    )


def _held_out(test: Arrays, count: int) -> Subset:
    if count > len(test):
        raise InputError(
            f"data.holdout: {count} is more than the last fifth of the training text holds; "
            f"expected at most {len(test)} windows"
        )
    return Subset(test, draw(test, count))


def _notes(
    whole: Sequence[Document], kept: Sequence[Document], names: tuple[str, ...] | None
) -> list[str]:
    left_out = sum(len(document.text) for document in whole)
    left_out -= sum(len(document.text) for document in kept)
    notes = [f"{left_out:,} characters of repeated paragraphs are left out"] if left_out else []
    few = {document.label for document in whole} - {None, *(names or ())}
    if names is None and few:
        notes.append(f"no labels: they need two with {_FEWEST} windows or more")
    elif few:
        notes.append(f"{len(few)} labels with too little text are only pretrained on")
    loose = sum(document.label is None for document in whole)
    if names is not None and loose:
        notes.append(f"{loose} texts without a label are only pretrained on")
    return notes
