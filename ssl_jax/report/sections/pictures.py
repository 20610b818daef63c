"""Sections made of pictures, shared by images and clips."""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.data.dataset import Example, gather
from ssl_jax.evaluation.features import Embed, extract
from ssl_jax.evaluation.nearest import neighbors
from ssl_jax.methods.base import Batch
from ssl_jax.report.sections.base import Subject, evenly_spaced, shown
from ssl_jax.report.sections.kinds import Neighbors, Pictures

_EXAMPLES = 12
_NEAREST = 5


def viewed(subject: Subject) -> Iterator[Pictures]:
    """Yields the first kind of views that are pictures, of each task, for some training examples.

    The views of a combination of tasks are named ``TASK/NAME``.
    """
    source = subject.data.pretrain
    batch = gather(source, evenly_spaced(source, _EXAMPLES))
    first: dict[str, np.ndarray] = {}
    for name, views in jax.jit(subject.method.views)(subject.key, batch).items():
        if _are_pictures(views[0], subject):
            first.setdefault(name.rpartition("/")[0], _clipped(views))
    if not first:
        return
    rows = [
        (f"{task}, view {i}" if task else f"view {i}", pictures)
        for task, views in first.items()
        for i, pictures in enumerate(views, 1)
    ]
    of_tasks = f" From top to bottom: {'; '.join(first)}." if len(first) > 1 else ""
    yield Pictures(
        "What the method sees",
        f"Each column shows the views of one training example.{of_tasks} The method learns either "
        "to ignore the differences between views or to recognize them.",
        rows,
    )


def _nothing(batch: Batch) -> dict[str, np.ndarray]:
    del batch
    return {}


def made(
    subject: Subject, yardstick: Callable[[Batch], dict[str, np.ndarray]] = _nothing
) -> Iterator[Pictures]:
    """Yields what the method shows of test examples, as far as it is pictures.

    Args:
      subject: the run.
      yardstick: returns pictures by title to show beside the method's.
    """
    batch = gather(subject.data.test, evenly_spaced(subject.data.test, _EXAMPLES))
    found = shown(subject, batch) | yardstick(batch)
    rows = [(title, _clipped(x)) for title, x in found.items() if _are_pictures(x, subject)]
    if rows:
        titles = [title for title, _ in rows]
        yield Pictures(
            "What the method produces",
            f"Each column shows one test example. From top to bottom: {'; '.join(titles)}.",
            rows,
        )


def nearest(
    subject: Subject, raw_input: Embed, picture: Callable[[Example], np.ndarray]
) -> Iterator[Neighbors]:
    """Yields test examples with their nearest training examples.

    Args:
      subject: the run.
      raw_input: ``batch -> [n, d]``: neighbors are shown by the raw input too.
      picture: ``batch -> [n, h, w, c]`` uint8, the pictures to show.
    """
    data, findings = subject.data, subject.findings
    test_y, train_y = findings.test.y, findings.train.y
    rows = evenly_spaced(data.test, _EXAMPLES)
    if test_y is not None:
        rows = _one_per_class_first(test_y, rows)
    placement, batch_size = subject.placement, subject.config.evaluation.batch_size
    pixels = extract(raw_input, findings.probed, batch_size, placement).z
    test_pixels = extract(raw_input, data.test, batch_size, placement).z[rows]
    count = min(_NEAREST, len(pixels))
    learned, _ = neighbors(findings.train.z, findings.test.z[rows], count)
    raw, _ = neighbors(pixels, test_pixels, count)

    def pictures(indices: np.ndarray) -> np.ndarray:
        images = picture(gather(findings.probed, indices.ravel()))
        return images.reshape(*indices.shape, *images.shape[1:])

    labels = None
    if data.label_names is not None and test_y is not None and train_y is not None:
        names = np.asarray(data.label_names, object)
        labels = (
            names[test_y[rows]].tolist(),
            names[train_y[learned]].tolist(),
            names[train_y[raw]].tolist(),
        )
    queries = picture(gather(data.test, rows))
    yield Neighbors(queries, pictures(learned), pictures(raw), labels)


def _are_pictures(x: jax.Array | np.ndarray, subject: Subject) -> bool:
    channels = (1, 3, subject.config.data.get("channels"))
    return x.ndim == 4 and x.shape[-1] in channels and jnp.issubdtype(x.dtype, jnp.floating)


def _clipped(x: jax.Array | np.ndarray) -> np.ndarray:
    return np.clip(np.asarray(x, np.float32), 0, 1)


def _one_per_class_first(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns the same number of rows, the first example of each class first."""
    firsts = np.sort(np.unique(labels, return_index=True)[1])
    return np.array(list(dict.fromkeys([*firsts, *rows]))[: len(rows)])
