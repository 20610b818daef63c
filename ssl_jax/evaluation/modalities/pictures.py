"""Sections of a page that are made of pictures; images and clips share them."""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from ssl_jax.augment.geometry import crop_and_resize
from ssl_jax.augment.pixels import to_float
from ssl_jax.data import Source
from ssl_jax.data.dataset import Example, gather
from ssl_jax.evaluation._knn import neighbours
from ssl_jax.evaluation.features import Embed, extract
from ssl_jax.evaluation.modalities.base import Look, shown
from ssl_jax.evaluation.report import Neighbours, Pictures
from ssl_jax.sharding import make_mesh

_EXAMPLES = 12
_NEAREST = 5
_INPUT_SIDE = 32


def flat(images: jax.Array) -> jax.Array:
    """Pixels of ``[n, h, w, c]`` as ``[n, d]`` in [0, 1], of large images shrunk to 32 x 32."""
    images = to_float(images)
    if max(images.shape[1:3]) > _INPUT_SIDE:
        box = (0, 0, *images.shape[1:3])
        with jax.default_matmul_precision("highest"):  # a baseline is not to be rounded
            images = jax.vmap(lambda image: crop_and_resize(image, *box, size=_INPUT_SIDE))(images)
    return images.reshape(len(images), -1)


def viewed(look: Look) -> Iterator[Pictures]:
    """The first of the method's views that are pictures, of examples from all over the data."""
    batch = gather(look.data.pretrain, _spread(look.data.pretrain, _EXAMPLES))
    for views in jax.jit(look.method.views)(look.key, batch).values():
        if _are_pictures(views[0]):
            rows = [(f"view {i}", pictures) for i, pictures in enumerate(_clipped(views), 1)]
            yield Pictures(
                "What the method is shown",
                "Each column: the views of one training example. Whatever differs between views of "
                "the same example is what the method can learn to ignore, or has to find out.",
                rows,
            )
            return


def made(look: Look) -> Iterator[Pictures]:
    """What the method shows of test examples, where it is pictures."""
    batch = gather(look.data.test, _spread(look.data.test, _EXAMPLES))
    found = shown(look, batch)
    rows = [(title, _clipped(x)) for title, x in found.items() if _are_pictures(x)]
    if rows:
        titles = [title for title, _ in rows]
        yield Pictures(
            "What the method makes of it",
            f"Each column: a test example, from top to bottom {', '.join(titles)}.",
            rows,
        )


def nearest(
    look: Look, raw_input: Embed, picture: Callable[[Example], np.ndarray]
) -> Iterator[Neighbours]:
    """Test examples with the training examples nearest by features and by the raw input."""
    data, findings = look.data, look.findings
    test_y, train_y = findings.test.y, findings.train.y
    rows = _spread(data.test, _EXAMPLES)
    if test_y is not None:
        rows = _one_of_each_first(test_y, rows)
    mesh, batch_size = make_mesh(), look.config.evaluation.batch_size
    pixels = extract(raw_input, findings.probed, batch_size, mesh).z
    test_pixels = extract(raw_input, data.test, batch_size, mesh).z[rows]
    count = min(_NEAREST, len(pixels))
    learned, _ = neighbours(findings.train.z, findings.test.z[rows], count)
    raw, _ = neighbours(pixels, test_pixels, count)

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
    yield Neighbours(queries, pictures(learned), pictures(raw), labels)


def _are_pictures(x: jax.Array | np.ndarray) -> bool:
    return x.ndim == 4 and x.shape[-1] in (1, 3) and jnp.issubdtype(x.dtype, jnp.floating)


def _clipped(x: jax.Array | np.ndarray) -> np.ndarray:
    return np.clip(np.asarray(x, np.float32), 0, 1)


def _spread(source: Source, count: int) -> np.ndarray:
    """Indices of a few examples from all over a source."""
    return np.unique(np.linspace(0, len(source) - 1, count).astype(int))


def _one_of_each_first(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """As many rows, beginning with the first example of each class."""
    firsts = np.sort(np.unique(labels, return_index=True)[1])
    return np.array(list(dict.fromkeys([*firsts, *rows]))[: len(rows)])
