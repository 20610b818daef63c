"""Every pretext task in one table: how well it is solved, and what its features are worth."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments.results import few

Result = Mapping[str, Any]


class Own(NamedTuple):
    """A task's own score on test examples, and what it has to beat.

    Attributes:
      key: the score, in the values of a result.
      words: the score in words.
      bar: a number, or the key of one: what an untrained guess or a simple method reaches.
      about: the bar in words.
    """

    key: str
    words: str
    bar: float | str
    about: str = "chance"


OWN: dict[str, tuple[Own, ...]] = {
    "rotation": (Own("test_rotation_accuracy", "accuracy", 1 / 4),),
    "relative_position": (Own("test_position_accuracy", "accuracy", 1 / 8),),
    "jigsaw": (Own("test_jigsaw_accuracy", "accuracy", 1 / 100),),
    "corruption": (Own("test_corruption_accuracy", "accuracy", "test_corruption_chance"),),
    "colorization": (
        Own("test_rebalanced_error", "error", "test_rebalanced_error_gray", "no color"),
    ),
    "context_encoder": (
        Own("test_hole_psnr", "PSNR", "test_hole_psnr_nearest", "nearest neighbor"),
    ),
    "super_resolution": (Own("test_psnr", "PSNR", "test_psnr_bicubic", "bicubic"),),
    "denoising_autoencoder": (Own("test_psnr", "PSNR", "test_psnr_noisy", "noisy image"),),
    "autoencoder": (Own("test_mse", "error", "test_mse_pca", "PCA"),),
    "combined": (
        Own("test_rotation/rotation_accuracy", "rotation's accuracy", 1 / 4),
        Own(
            "test_context_encoder/hole_psnr",
            "hole's PSNR",
            "test_context_encoder/hole_psnr_context_mean",
            "mean of what is visible",
        ),
    ),
    "mae": (Own("test_masked_error", "error", 1.0, "mean color"),),
    "frame_order": (Own("test_order_accuracy", "accuracy", 1 / 2),),
    "next_word": (Own("test_perplexity", "perplexity", "bigram_perplexity", "pairs of words"),),
}
"""By config. MAE's error is in units of the pixels' variance, so the mean color has 1."""


def table(
    results: Mapping[str, Result],
    titles: Mapping[str, tuple[str, str, str]],
    cells: Callable[[Result], Mapping[str, list[str]]],
    study: Mapping[str, Any],
) -> Iterator[str]:
    """Yields a Markdown table with a row per task that was measured, and one for labels.

    Args:
      results: by config.
      titles: title, paper and link, by config.
      cells: returns, for each kind of labels, the scores learned / untrained / raw.
      study: what ``experiments/labels.py`` has measured.
    """
    yield (
        "| task | data | its own score | kNN | linear probe | 10 labels per class "
        "| fine-tuned, 10 labels per class |"
    )
    yield "|---" * 7 + "|"
    for name in OWN:
        if name not in results:
            continue
        result = results[name]
        solved = "; ".join(solved_in_words(name, result["values"]))
        for column, scores in cells(result).items():
            is_first = column == "label"
            title = titles[name][0] if is_first else f"{titles[name][0]}, {column}"
            data = result.get("transfer", result["protocol"])["data"]
            tuned = few.in_words(result) if is_first else ""
            row = [title, data, solved if is_first else "", *scores, tuned]
            yield f"| {' | '.join(row)} |"
    ceiling, scratch = (
        f"{100 * np.mean(scores):.1f}"
        for scores in (study["ceiling"], study["scores"]["scratch"][str(few.FEW)])
    )
    supervised = f"| | | {ceiling}, all labels | {scratch} | |"
    yield f"| No task: supervised, from scratch | fashion_mnist_mini {supervised}"


def solved_in_words(name: str, values: Mapping[str, float]) -> list[str]:
    """Returns how well a config's method solves its own task; empty if it has none."""
    return [_solved(own, values) for own in OWN.get(name, ())]


def _solved(own: Own, values: Mapping[str, float]) -> str:
    number = own.bar if isinstance(own.bar, float) else values[own.bar]
    score, bar = (_written(own.key, x) for x in (values[own.key], number))
    return f"{own.words} {score}, {own.about} {bar}"


def _written(key: str, x: float) -> str:
    return f"{100 * x:.1f} %" if key.endswith("_accuracy") else f"{x:#.3g}"
