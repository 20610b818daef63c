"""Text as a dataset: windows of tokens.

- Repeated paragraphs are removed first. Then the end of each document, a fifth to a tenth of it, is
  cut off for testing (documents.py). The rest is for training, of the tokenizer too.
- `pretrain`: the documents in a row, with `END` between them, cut into consecutive windows.
- `train`, `test`: windows that each lie inside one document, with its label. A label needs eight
  windows, at least one of them in each split; other labels are left out. With fewer than two labels
  left there are no labels.
- `data.holdout`: the test text is set aside, and the training text is cut once more in its place.

Memory, measured with 100 MB of text: loading takes 4 to 6 MB per MB of words or source code. What
stays are the tokens, two bytes each (four if the vocabulary is above 65,536), for all windows. The
tokenizer is learned from all different words, which takes some 80 bytes per byte of them. In text
without spaces between words, such as Chinese, each clause counts as a word: 64 MB per MB.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np

from ssl_jax.data import contents, documents, tokeniser
from ssl_jax.data.dataset import Dataset, Source, Subset
from ssl_jax.data.documents import Document
from ssl_jax.data.files import Unreadable
from ssl_jax.data.holdout import draw
from ssl_jax.data.options import Options
from ssl_jax.data.pieces import Text
from ssl_jax.data.tree import listing, printable
from ssl_jax.data.windows import Stream, Windows, batches, encode
from ssl_jax.errors import InputError
from ssl_jax.paths import expanded

ASSET = "tokeniser.json"
_VOCABULARY = 1024
_TOKENS = 64
_MIN_WINDOWS = 8


def open_python_docs(asked: Options) -> Dataset:
    """Opens the language reference that Python's `help()` shows; the labels are its topics.

    The text depends on the version of Python.
    """
    from pydoc_data.topics import topics

    found = [Document(Text([text]), topic) for topic, text in sorted(topics.items())]
    return _dataset(asked, documents.distinct(found))


def open_text(asked: Options) -> Dataset:
    """Opens `text:/path`, a UTF-8 file or a tree of `.txt` files; the top folders are the labels.

    Raises:
      InputError: the path is missing, holds too little readable text, or holds more than
        `max_unreadable` files that cannot be read.
    """
    given = asked.name.removeprefix("text:")
    path = expanded(given)
    if not given or not path.exists():
        raise InputError(f"data.name: {asked.name!r} does not exist; expected text:/path")
    unreadable = Unreadable(asked.name, asked.max_unreadable)
    kept = documents.distinct(documents.read(path, unreadable))
    if not kept:
        raise InputError(
            f"data.name: {asked.name!r} holds no readable text; expected UTF-8 in files ending "
            f"in .txt, found {len(unreadable.reasons)} unreadable"
        )
    folder, files = path.parent, [path.name]
    if path.is_dir():
        folder, files = path, listing(path, (".txt",)).paths
    return _dataset(asked, kept)._replace(
        unreadable=unreadable.reasons, contents=contents.of_files(folder, files, "files")
    )


def _dataset(asked: Options, kept: Sequence[Document]) -> Dataset:
    tokens = asked.tokens or _TOKENS
    parts = [documents.cut(document.text) for document in kept]
    if asked.holdout:
        parts = [documents.cut(training_text) for training_text, _ in parts]
    training_texts, test_texts = zip(*parts, strict=True)
    tokenizer_json = tokeniser.train(
        chain.from_iterable(batches(training_texts, "learning tokens")),
        asked.vocabulary or _VOCABULARY,
    )
    training, testing = (encode(tokenizer_json, texts) for texts in (training_texts, test_texts))
    pretrain = Windows(training.tokens, training.packed(tokens), tokens)

    labels = [document.label for document in kept]
    names = _label_names(labels, training.inside(tokens), testing.inside(tokens))
    train, test = (_source(stream, tokens, labels, names) for stream in (training, testing))
    if not (len(pretrain) and len(train) and len(test)):
        raise InputError(
            f"data.name: {asked.name!r} holds too little text; expected windows of {tokens} tokens "
            f"(data.tokens), found {len(train)} to train and {len(test)} to test on"
        )
    notes = _notes(kept, names)
    test_source: Source = test
    if asked.holdout:
        test_source = _held_out(test, asked.holdout)
        notes.append(f"holdout: {asked.holdout} training windows replace the test set")
    return Dataset(
        pretrain=pretrain,
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
    stream: Stream, tokens: int, labels: Sequence[str | None], names: tuple[str, ...] | None
) -> Windows:
    """Returns all windows if `names` is None; else those of documents labeled with one of them.

    The latter have a `label`, the position in `names`.
    """
    starts = stream.inside(tokens)
    if names is None:
        return Windows(stream.tokens, np.concatenate(starts), tokens)
    numbers = {name: number for number, name in enumerate(names)}
    labeled = [
        (part, np.full(len(part), numbers[label], np.int32))
        for part, label in zip(starts, labels, strict=True)
        if label in numbers
    ]
    labeled_starts, part_labels = map(np.concatenate, zip(*labeled, strict=True))
    return Windows(stream.tokens, labeled_starts, tokens, part_labels)


def _held_out(test: Windows, count: int) -> Subset:
    if count > len(test):
        raise InputError(
            f"data.holdout: {count} is more than the windows cut from the training text; "
            f"expected at most {len(test)}"
        )
    return Subset(test, draw(test, count))


def _notes(kept: Sequence[Document], names: tuple[str, ...] | None) -> list[str]:
    """Returns notes for the user: what was left out, or is used for pretraining only."""
    removed = sum(document.removed for document in kept)
    notes = [f"{removed:,} characters of repeated paragraphs are left out"] if removed else []
    too_small = {document.label for document in kept} - {None, *(names or ())}
    if names is None and too_small:
        notes.append(f"no labels: at least two labels need {_MIN_WINDOWS} windows or more")
    elif too_small:
        notes.append(f"{len(too_small)} labels with too little text are used for pretraining only")
    unlabeled = sum(document.label is None for document in kept)
    if names is not None and unlabeled:
        notes.append(f"{unlabeled} texts without a label are used for pretraining only")
    return notes
