"""From a run to the page that shows it: pictures of views and neighbours, facts, scores."""

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Dataset, Source
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
    method_name = config.method.name if "method" in config else "a method of one's own"
    return Page(
        title=f"{method_name} on {config.data.name}",
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


def _views(method: Method, source: Source, key: jax.Array) -> np.ndarray:
    rows = _spread(source, _EXAMPLES)
    batch = {"image": np.stack([source[int(row)]["image"] for row in rows])}
    return np.asarray(method.views(key, batch)["image"])


def _neighbours(data: Dataset, findings: Findings, batch_size: int) -> Neighbours:
    rows = _spread(data.test, _EXAMPLES)
    mesh = make_mesh()
    pixels = extract(raw_input, findings.probed, batch_size, mesh).z
    test_pixels = extract(raw_input, data.test, batch_size, mesh).z[rows]
    count = min(_NEAREST, len(pixels))
    learned, _ = neighbours(findings.train.z, findings.test.z[rows], count)
    raw, _ = neighbours(pixels, test_pixels, count)

    def pictures(indices: np.ndarray) -> np.ndarray:
        return np.stack([[findings.probed[int(i)]["image"] for i in row] for row in indices])

    labels = None
    if data.label_names is not None and findings.train.y is not None:
        names = np.asarray(data.label_names, object)
        labels = (
            names[findings.test.y[rows]].tolist(),
            names[findings.train.y[learned]].tolist(),
            names[findings.train.y[raw]].tolist(),
        )
    queries = np.stack([data.test[int(row)]["image"] for row in rows])
    return Neighbours(queries, pictures(learned), pictures(raw), labels)
