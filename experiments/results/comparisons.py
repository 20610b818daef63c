"""The comparisons that papers make: presets with one setting changed, and a table of each."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Changes = Mapping[str, Any]

_SCORES = {
    "kNN": "knn_top1",
    "linear": "linear_top1",
    "10 labels per class": "linear100_top1",
}
_PAINTING = {name: f"test_hole_{name.lower()}" for name in ("MSE", "PSNR", "SSIM", "sharpness")}

VARIANTS: dict[str, tuple[str, Changes]] = {
    "simclr-output_norm": ("simclr", {"method.output_norm": True}),
    "simclr-zero_residual": ("simclr", {"network.zero_residual": True}),
    "moco-4": ("moco", {"method.groups": 4}),
    "rotation-2": ("rotation", {"method.ways": 2}),
    "rotation-8": ("rotation", {"method.ways": 8}),
    "denoising_autoencoder-0": ("denoising_autoencoder", {"method.level": 0.0}),
    "denoising_autoencoder-10": ("denoising_autoencoder", {"method.level": 0.1}),
    "denoising_autoencoder-50": ("denoising_autoencoder", {"method.level": 0.5}),
    "context_encoder-joint": ("context_encoder", {"method.adversarial": 0.05}),
    "context_encoder-adversarial": ("context_encoder", {"method.adversarial": 1.0}),
}
"""For each name: a config, and the settings of its default preset that are changed."""


class Row(NamedTuple):
    """A row of a table.

    Attributes:
      title: what the row is about.
      result: the result that its numbers are from.
      ending: of the numbers' names, after those of the columns.
    """

    title: str
    result: str
    ending: str = ""


class Comparison(NamedTuple):
    """A table: the title of its first column, its rows, and the number that each column shows."""

    of: str
    rows: tuple[Row, ...]
    columns: Mapping[str, str]


COMPARISONS = {
    "choices": Comparison(
        "the default preset with",
        (
            Row("SimCLR as it is", "simclr"),
            Row("SimCLR, a BatchNorm after the projector", "simclr-output_norm"),
            Row("SimCLR, residual branches that start at zero", "simclr-zero_residual"),
            Row("MoCo as it is: one group, nothing is shuffled", "moco"),
            Row("MoCo, keys shuffled among four groups", "moco-4"),
        ),
        _SCORES,
    ),
    "rotations": Comparison(
        "angles",
        (Row("2", "rotation-2"), Row("4", "rotation"), Row("8", "rotation-8")),
        {"the angle is recognized": "test_rotation_accuracy"}
        | _SCORES
        | {f"linear, stage {i}": f"probe_stage{i}_top1" for i in (1, 2, 3)},
    ),
    "noise": Comparison(
        "pixels set to 0",
        (
            Row("none", "denoising_autoencoder-0"),
            Row("10 %", "denoising_autoencoder-10"),
            Row("25 %", "denoising_autoencoder"),
            Row("50 %", "denoising_autoencoder-50"),
        ),
        {"PSNR": "test_psnr", "PSNR of the noisy image": "test_psnr_noisy"}
        | {"pixels per filter": "filter_pixels"}
        | _SCORES,
    ),
    "holes": Comparison(
        "the hole is filled by",
        (
            Row("the mean of what is visible", "context_encoder", "_context_mean"),
            Row("the nearest neighbor", "context_encoder", "_nearest"),
            Row("L2 alone", "context_encoder", "_l2_alone"),
            Row("joint, a = .001 (default)", "context_encoder"),
            Row("joint, a = .05", "context_encoder-joint"),
            Row("adversarial alone, a = 1", "context_encoder-adversarial"),
            Row("the truth", "context_encoder", "_truth"),
        ),
        _PAINTING,
    ),
    "hole_features": Comparison(
        "trained by",
        (
            Row("joint, a = .001 (default)", "context_encoder"),
            Row("joint, a = .05", "context_encoder-joint"),
            Row("adversarial alone, a = 1", "context_encoder-adversarial"),
        ),
        _SCORES,
    ),
    "colors": Comparison(
        "colors are",
        (
            Row("none", "colorization", "_gray"),
            Row("by L2", "colorization", "_l2"),
            Row("classified", "colorization"),
            Row("the truth", "colorization", "_true"),
        ),
        {
            "error": "test_ab_error",
            "rebalanced error": "test_rebalanced_error",
            "colorfulness": "test_colorfulness",
        },
    ),
}


def table(comparison: Comparison, results: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yields a Markdown table; a number that was not measured is an empty cell."""
    yield f"| {' | '.join([comparison.of, *comparison.columns])} |"
    yield "|---" * (1 + len(comparison.columns)) + "|"
    for row in comparison.rows:
        values = results[row.result]["values"] if row.result in results else {}
        cells = [_cell(key, values.get(key + row.ending)) for key in comparison.columns.values()]
        yield f"| {' | '.join([row.title, *cells])} |"


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f}" if key.endswith(("_top1", "_accuracy")) else f"{value:.3g}"
