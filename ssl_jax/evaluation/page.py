"""From a run to the page that shows it: pictures of views and neighbours, facts, scores."""

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Dataset, Source
from ssl_jax.data.dataset import gather
from ssl_jax.evaluation._knn import neighbours
from ssl_jax.evaluation.evaluate import Findings
from ssl_jax.evaluation.features import extract, raw_input
from ssl_jax.evaluation.report import Neighbours, Page
from ssl_jax.methods.base import Method
from ssl_jax.sharding import make_mesh

_EXAMPLES = 12
_NEAREST = 5


def make_page(
    method: Method,
    data: Dataset,
    config: ConfigDict,
    findings: Findings,
    metrics: list[dict[str, float]],
    facts: dict[str, str],
    key: jax.Array,
) -> Page:
    """Everything that ``report.html`` shows of a run.

    Args:
      method: whose views are shown.
      data: that it was trained on.
      config: resolved.
      findings: of the evaluation.
      metrics: rows of ``metrics.jsonl``.
      facts: short lines under the title.
      key: of the views.

    Returns:
      The page's content.
    """
    name = config.get("method", {}).get("name", "A method of your own")
    return Page(
        title=f"{name} on {config.data.name}",
        facts=facts,
        notes=data.notes + tuple(f"skipped as unreadable: {path}" for path in data.unreadable),
        metrics=metrics,
        values=findings.values,
        views=_views(method, data.pretrain, key),
        neighbours=_neighbours(data, findings, config.evaluation.batch_size),
        features=findings.test.z,
        labels=findings.test.y,
        label_names=data.label_names,
        predictions=findings.predictions,
        config=config.to_dict(),
    )


def _spread(source: Source, count: int) -> np.ndarray:
    """Indices of a few examples from all over a source."""
    return np.unique(np.linspace(0, len(source) - 1, count).astype(int))


def _one_of_each_first(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """As many rows, beginning with the first example of each class."""
    firsts = np.sort(np.unique(labels, return_index=True)[1])
    return np.array(list(dict.fromkeys([*firsts, *rows]))[: len(rows)])


def _views(method: Method, source: Source, key: jax.Array) -> np.ndarray | None:
    """The first of the method's views that are pictures, ``[v, n, h, w, c]``."""
    batch = gather(source, _spread(source, _EXAMPLES))
    for views in jax.jit(method.views)(key, batch).values():
        if views.ndim == 5 and views.shape[-1] in (1, 3):
            return np.clip(np.asarray(views, np.float32), 0, 1)
    return None


def _neighbours(data: Dataset, findings: Findings, batch_size: int) -> Neighbours:
    test_y, train_y = findings.test.y, findings.train.y
    rows = _spread(data.test, _EXAMPLES)
    if test_y is not None:
        rows = _one_of_each_first(test_y, rows)
    mesh = make_mesh()
    pixels = extract(raw_input, findings.probed, batch_size, mesh).z
    test_pixels = extract(raw_input, data.test, batch_size, mesh).z[rows]
    count = min(_NEAREST, len(pixels))
    learned, _ = neighbours(findings.train.z, findings.test.z[rows], count)
    raw, _ = neighbours(pixels, test_pixels, count)

    def pictures(indices: np.ndarray) -> np.ndarray:
        images = gather(findings.probed, indices.ravel())["image"]
        return images.reshape(*indices.shape, *images.shape[1:])

    labels = None
    if data.label_names is not None and test_y is not None and train_y is not None:
        names = np.asarray(data.label_names, object)
        labels = (
            names[test_y[rows]].tolist(),
            names[train_y[learned]].tolist(),
            names[train_y[raw]].tolist(),
        )
    queries = gather(data.test, rows)["image"]
    return Neighbours(queries, pictures(learned), pictures(raw), labels)
