"""The sections of text."""

from collections.abc import Iterator

import numpy as np

from ssl_jax.data import tokeniser
from ssl_jax.data.dataset import gather
from ssl_jax.data.text import ASSET
from ssl_jax.evaluation.nearest import neighbors
from ssl_jax.report.sections.base import Subject, evenly_spaced, shown
from ssl_jax.report.sections.kinds import Section, Texts

_SHOWN = 6
_NEAREST = 2


def sections(subject: Subject) -> list[Section]:
    """What the method makes of test texts, and nearest neighbors."""
    return [*_made(subject), _nearest(subject)]


def _made(subject: Subject) -> Iterator[Texts]:
    batch = gather(subject.data.test, evenly_spaced(subject.data.test, _SHOWN))
    decoded = {
        title: tokeniser.decode(subject.data.assets[ASSET], tokens)
        for title, tokens in shown(subject, batch).items()
    }
    if decoded:
        groups = [
            list(zip(decoded, texts, strict=True)) for texts in zip(*decoded.values(), strict=True)
        ]
        yield Texts(
            "What the method makes of it",
            f"Each block: one test text. It shows {', '.join(decoded)}.",
            groups,
        )


def _nearest(subject: Subject) -> Texts:
    test, train = subject.findings.test, subject.findings.train
    rows = np.unique(np.linspace(0, len(test.z) - 1, _SHOWN).astype(int))
    found, _ = neighbors(train.z, test.z[rows], min(_NEAREST, len(train.z)))

    def texts(windows: np.ndarray, labels: np.ndarray | None) -> list[tuple[str, str]]:
        decoded = tokeniser.decode(subject.data.assets[ASSET], windows)
        if labels is None or subject.data.label_names is None:
            return [("", text) for text in decoded]
        return [(subject.data.label_names[y], x) for x, y in zip(decoded, labels, strict=True)]

    groups = []
    for row, near in zip(rows, np.asarray(found), strict=True):
        query = gather(subject.data.test, row[None])["tokens"]
        others = gather(subject.findings.probed, near)["tokens"]
        labels = None if test.y is None or train.y is None else (test.y[row[None]], train.y[near])
        groups.append(
            [
                *texts(query, labels and labels[0]),
                *texts(others, labels and labels[1]),
            ]
        )
    return Texts(
        "Nearest neighbors",
        "Each block: a test text, and below it the training texts with the most similar features.",
        groups,
    )
