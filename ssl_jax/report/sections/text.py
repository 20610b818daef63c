"""The sections of text."""

from collections.abc import Iterator

import numpy as np

from ssl_jax.data import Source, tokeniser
from ssl_jax.data.dataset import gather
from ssl_jax.data.text import ASSET
from ssl_jax.evaluation.nearest import neighbors
from ssl_jax.report.sections.base import Subject, evenly_spaced, shown
from ssl_jax.report.sections.kinds import Section, Texts

_SHOWN = 6
_NEAREST = 2


def sections(subject: Subject) -> list[Section]:
    """Returns what the method makes of test texts, and nearest neighbors."""
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
            "What the method produces",
            f"Each block shows one test text: {'; '.join(decoded)}.",
            groups,
        )


def _nearest(subject: Subject) -> Texts:
    test, train = subject.findings.test, subject.findings.train
    rows = evenly_spaced(subject.data.test, _SHOWN)
    found, _ = neighbors(train.z, test.z[rows], min(_NEAREST, len(train.z)))

    def text(title: str, source: Source, row: int, labels: np.ndarray | None) -> tuple[str, str]:
        (decoded,) = tokeniser.decode(
            subject.data.assets[ASSET], gather(source, np.array([row]))["tokens"]
        )
        if labels is None or subject.data.label_names is None:
            return title, decoded
        return f"{title}: {subject.data.label_names[labels[row]]}", decoded

    groups = []
    for row, near in zip(rows, found, strict=True):
        query = text("test text", subject.data.test, row, test.y)
        others = [
            text(f"neighbor {rank}", subject.findings.probed, other, train.y)
            for rank, other in enumerate(near, 1)
        ]
        groups.append([query, *others])
    return Texts(
        "Nearest neighbors",
        "Each block shows a test text and, below it, the training texts with the most similar "
        "features.",
        groups,
    )
