"""Further scores of a run: clusters, label curves, corrupted pictures, and layers one by one.

Each function scores three representations in the same way: the learned features, those of the same
network untrained (``random_init``), and the raw input (``input``). It returns flat numbers, whose
keys start with ``random_init_`` or ``input_`` for the baselines. Labels come from ``data.train``;
accuracies are those on ``data.test``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ssl_jax.data import Dataset, Source, training_batches
from ssl_jax.data.modalities import MODALITIES
from ssl_jax.data.modalities.base import batch_like
from ssl_jax.errors import InputError
from ssl_jax.evaluation import vote as voting
from ssl_jax.evaluation.clustering import kmeans_scores
from ssl_jax.evaluation.corrupted import (
    CLEAN,
    CONDITIONS,
    Condition,
    Corrupted,
    mean_accuracy,
)
from ssl_jax.evaluation.evaluate import at_most
from ssl_jax.evaluation.features import Embed, Extracted, extract, make_embed, make_predict
from ssl_jax.evaluation.label_curve import Point, label_curve_point, sizes
from ssl_jax.evaluation.linear import linear_probe_fit
from ssl_jax.evaluation.modalities import INPUTS
from ssl_jax.evaluation.probes import linear_top1
from ssl_jax.evaluation.scores import BASELINES
from ssl_jax.evaluation.untrained import untrained
from ssl_jax.methods.base import Method
from ssl_jax.placement import Placement

LEARNED = "learned"
REPRESENTATIONS = (LEARNED, *BASELINES)
Values = dict[str, float]
Sets = Mapping[str, tuple[Extracted, Extracted]]
Track = Callable[[Sequence[Any], str], Iterable[Any]]


def _untracked(items: Sequence[Any], title: str) -> Iterable[Any]:
    del title
    return items


class Subject(NamedTuple):
    """What is scored.

    Attributes:
      method: the method.
      learned: its trained ``params, extra``.
      first: those of the same network untrained, from ``first_state``.
      data: with labels.
      config: resolved, of the run; the pictures, clips or texts of ``data`` have its shape.
      placement: where the arrays live.
      track: wraps a sequence of pieces of work and shows how far it is, given a title.
    """

    method: Method
    learned: tuple[Any, Any]
    first: tuple[Any, Any]
    data: Dataset
    config: ConfigDict
    placement: Placement
    track: Track = _untracked


def key_of(name: str, key: str) -> str:
    """Returns the key of a representation's number: ``random_init_kmeans_nmi``."""
    return key if name == LEARNED else f"{name}_{key}"


def first_state(
    method: Method, data: Dataset, config: ConfigDict, init_key: jax.Array, placement: Placement
) -> tuple[Any, Any]:
    """Returns the untrained ``params, extra``, as in ``evaluate``.

    Args:
      method: the method.
      data: its ``pretrain`` gives the statistics of BatchNorm.
      config: resolved.
      init_key: the key that training started from.
      placement: where the arrays live.
    """
    stream = training_batches(data, method.inputs, config.data.batch_size, seed=config.seed)
    try:
        return untrained(method, stream, init_key, placement)
    finally:
        stream.close()


def vector_layers(method: Method, state: tuple[Any, Any], config: ConfigDict) -> list[str]:
    """Returns the layers of ``Method.embed`` that are one vector per example.

    Args:
      method: the method.
      state: its ``params, extra``.
      config: resolved.
    """
    batch = batch_like(MODALITIES[config.data.modality].example(config.data), 1)
    outputs = jax.eval_shape(method.embed, *state, batch)
    return [name for name, layer in outputs.items() if layer.ndim == 2]


def pixels_of(config: ConfigDict) -> str:
    """Returns which entry of an example holds a picture ``[h, w, c]``.

    Raises:
      InputError: an example is not a picture.
    """
    modality = config.data.modality
    for name, shape in MODALITIES[modality].example(config.data).items():
        if len(shape.shape) == 3:
            return name
    raise InputError(f"--corruptions: the run reads {modality}; expected a run that reads images")


def features(subject: Subject, layers: Sequence[str]) -> Sets:
    """Extracts the features of the training and the test examples.

    Args:
      subject: what is scored.
      layers: are concatenated.

    Raises:
      InputError: some features are not finite.
    """
    probed = _probed(subject)
    found = {}
    for name, embed in subject.track(list(_embeds(subject, layers).items()), "features"):
        pair = _extract(subject, embed, probed), _extract(subject, embed, subject.data.test)
        if not all(np.isfinite(part.z).all() for part in pair):
            raise InputError(f"the {name} features hold NaN or infinity; expected finite ones")
        found[name] = pair
    return found


def clusters(sets: Sets, track: Track) -> Values:
    """Scores k-means on the test features, with as many clusters as the test set has classes.

    Args:
      sets: from ``features``; the training examples play no part.
      track: shows the progress.

    Returns:
      ``kmeans_accuracy``, ``kmeans_nmi``, ``kmeans_ari``, and those of the baselines; see
      ``kmeans_scores``.
    """
    values = {}
    for name, (_, test) in track(list(sets.items()), "k-means"):
        scores = kmeans_scores(test.z, np.asarray(test.y))
        for part, value in scores._asdict().items():
            values[key_of(name, f"kmeans_{part}")] = value
    return values


def label_curve(sets: Sets, settings: ConfigDict, track: Track) -> Values:
    """Scores the linear probe and kNN with 1, 2, 5, 10, ... labels per class, and with all.

    Args:
      sets: from ``features``.
      settings: ``config.evaluation``; its ``knn_k``, ``knn_temperature`` and ``knn_transform``
        bind as in ``run_probes``, except with one label.
      track: shows the progress.

    Returns:
      ``labels_10_linear_top1``, ``labels_10_knn_top1``: means over 10 draws, with their standard
      deviations ``labels_10_linear_top1_std``, ...; ``labels_all_linear_top1``, ... without. See
      ``label_curve_point``.
    """
    tries = sizes(np.asarray(sets[LEARNED][0].y))
    work = [(size, name) for size in tries for name in sets]
    values: Values = {}
    for size, name in track(work, "label curve"):
        train, test = sets[name]
        point = label_curve_point(
            train.z,
            np.asarray(train.y),
            test.z,
            np.asarray(test.y),
            per_class=size,
            k=settings.knn_k,
            temperature=settings.knn_temperature,
            transform=settings.knn_transform,
        )
        values |= _written(name, size, point)
    return values


def corruptions(subject: Subject, layers: Sequence[str]) -> Values:
    """Scores classifiers that have seen clean training pictures on corrupted test pictures.

    The classifier is the method's own if it has one, and otherwise the linear probe; that of the
    baselines is always the linear probe.

    Args:
      subject: what is scored.
      layers: are concatenated.

    Returns:
      ``corrupted_noise_1_top1``, ...; ``corrupted_top1``, the mean over all corruptions and
      strengths; ``uncorrupted_top1`` for comparison.

    Raises:
      InputError: the examples are no pictures, or some features are not finite.
    """
    entry = pixels_of(subject.config)
    classifiers = _classifiers(subject, layers)
    work = [(name, condition) for name in classifiers for condition in (CLEAN, *CONDITIONS)]
    found: dict[str, dict[Condition, float]] = {name: {} for name in classifiers}
    for name, condition in subject.track(work, "corrupted test pictures"):
        embed, classify = classifiers[name]
        test = _extract(subject, embed, Corrupted(subject.data.test, entry, condition))
        found[name][condition] = float((classify(test.z) == test.y).mean())
    values = {}
    for name, accuracies in found.items():
        values[key_of(name, "uncorrupted_top1")] = accuracies[CLEAN]
        values[key_of(name, "corrupted_top1")] = mean_accuracy(accuracies)
        for condition in CONDITIONS:
            key = f"corrupted_{condition.kind}_{condition.strength}_top1"
            values[key_of(name, key)] = accuracies[condition]
    return values


def each_layer(subject: Subject, layers: Sequence[str]) -> Values:
    """Scores each layer by itself, learned and untrained.

    Args:
      subject: what is scored.
      layers: their names.

    Returns:
      ``layer_{name}_linear_top1``, ``layer_{name}_knn_top1``, and those of ``random_init``.

    Raises:
      InputError: some features are not finite.
    """
    states = {LEARNED: subject.learned, "random_init": subject.first}
    probed, values = _probed(subject), {}
    work = [(layer, name) for layer in layers for name in states]
    for layer, name in subject.track(work, "layers"):
        embed = make_embed(subject.method, *states[name], (layer,), subject.placement)
        train, test = _extract(subject, embed, probed), _extract(subject, embed, subject.data.test)
        if not all(np.isfinite(part.z).all() for part in (train, test)):
            raise InputError(f"--layer: {layer!r} holds NaN or infinity; expected finite features")
        values[key_of(name, f"layer_{layer}_linear_top1")] = linear_top1(train, test)
        values[key_of(name, f"layer_{layer}_knn_top1")] = _knn_top1(
            train, test, subject.config.evaluation
        )
    return values


def _classifiers(
    subject: Subject, layers: Sequence[str]
) -> dict[str, tuple[Embed, Callable[[np.ndarray], np.ndarray]]]:
    """Returns what to compute of a batch for each representation, and what classifies that."""
    embeds = _embeds(subject, layers)
    probed, found = _probed(subject), {}
    for name, embed in subject.track(list(embeds.items()), "linear probes"):
        if name == LEARNED and subject.method.predict is not None:
            predict = make_predict(subject.method, *subject.learned, subject.placement)
            found[name] = (predict, lambda logits: logits.argmax(-1))
            continue
        train = _extract(subject, embed, probed)
        if not np.isfinite(train.z).all():
            raise InputError(f"the {name} features hold NaN or infinity; expected finite ones")
        found[name] = (embed, _linear_classifier(train))
    return found


def _linear_classifier(train: Extracted) -> Callable[[np.ndarray], np.ndarray]:
    """Fits the linear probe; returns the function from features to predicted labels."""
    names, y = np.unique(np.asarray(train.y), return_inverse=True)
    logits = linear_probe_fit(train.z, y)
    return lambda z: names[logits(z).argmax(-1)]


def _embeds(subject: Subject, layers: Sequence[str]) -> dict[str, Embed]:
    method, config, placement = subject.method, subject.config, subject.placement
    return {
        LEARNED: make_embed(method, *subject.learned, layers, placement),
        "random_init": make_embed(method, *subject.first, layers, placement),
        "input": INPUTS[config.data.modality].raw(config.data),
    }


def _extract(subject: Subject, embed: Embed, source: Source) -> Extracted:
    return extract(embed, source, subject.config.evaluation.batch_size, subject.placement)


def _probed(subject: Subject) -> Source:
    """Returns the training examples that ``evaluate`` fits its probes to."""
    return at_most(subject.data.train, subject.config.evaluation.train_examples)


def _knn_top1(train: Extracted, test: Extracted, settings: ConfigDict) -> float:
    names, y = np.unique(np.asarray(train.y), return_inverse=True)
    vote = voting.choose(
        train.z,
        y,
        k=settings.knn_k,
        temperature=settings.knn_temperature,
        transform=settings.knn_transform,
    )
    votes = voting.predict(train.z, y, test.z, vote, classes=len(names))
    return float((names[votes.argmax(-1)] == test.y).mean())


def _written(name: str, size: int | None, point: Point) -> Values:
    values = {}
    for metric, accuracies in point._asdict().items():
        key = key_of(name, f"labels_{'all' if size is None else size}_{metric}_top1")
        values[key] = float(accuracies.mean())
        if size is not None:
            values[f"{key}_std"] = float(accuracies.std(ddof=1))
    return values
