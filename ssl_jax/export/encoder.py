"""Writes the folder that takes a run's encoder elsewhere; ``experiments/export.py`` calls it.

``encoder.safetensors``
    The encoder's parameters and BatchNorm statistics; ``weights`` describes names and layouts.
``encoder.json``
    What a reader of the other files needs, as ``_described`` lists it.
``encoder.stablehlo``
    The features of inputs, for ``jax.export.deserialize``, as ``program`` describes it. With JAX
    and flatbuffers installed::

        program = jax.export.deserialize(bytearray(Path("encoder.stablehlo").read_bytes()))
        features = program.call(images)["features"]  # images [n, h, w, c] float32 in [0, 1]

    A newer JAX than the one in ``encoder.json`` reads the file; an older one may not.

``timm.safetensors``
    If timm has the network: the same weights for PyTorch. With ``about = encoder.json["timm"]``::

        model = timm.create_model(about["model"], **about["kwargs"])
        for name, (kind, arguments) in about["replace"].items():
            setattr(model, name, getattr(torch.nn, kind)(**arguments))
        model.load_state_dict(safetensors.torch.load_file("timm.safetensors"))

    The model reads images ``[n, c, h, w]`` after ``(images - mean) / std``.
``head.safetensors``
    If the run classifies: the parameters of the classifier on the features, ``head.*``.
"""

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ssl_jax.errors import InputError
from ssl_jax.export import program, timm, weights
from ssl_jax.export.weights import Arrays
from ssl_jax.output import write_whole, writing
from ssl_jax.paths import expanded
from ssl_jax.runs.run import Run

FORMAT = 1
ENCODER, DESCRIPTION, PROGRAM = "encoder.safetensors", "encoder.json", "encoder.stablehlo"
TIMM, HEAD = "timm.safetensors", "head.safetensors"
FILES = (ENCODER, DESCRIPTION, PROGRAM, TIMM, HEAD)


def check_folder(folder: Path) -> None:
    """Checks that a folder is new, empty, or an earlier export's; writes nothing.

    Raises:
      InputError: it is a file, or holds other files.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; expected a folder for the export")
    known = {*FILES, *(f"{name}.part" for name in FILES)}
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.name not in known:
            raise InputError(
                f"{folder}: holds {path.name}; expected a new folder or an earlier export"
            )


def classes_of(run: Run) -> tuple[str, ...]:
    """Returns the names of the classes that a run's method predicts; ``()`` if it predicts none."""
    names = run.config.get("method", {}).get("classes")
    return tuple(names) if names and run.method.predict is not None else ()


def export(run: Run, folder: str | Path) -> list[str]:
    """Writes a run's encoder, in several forms, into a folder.

    Args:
      run: its ``method.backbone`` is the encoder; ``config.evaluation.layers`` are its features.
      folder: is created; the files of an earlier export are replaced.

    Returns:
      One line about each file.

    Raises:
      InputError: the folder holds other files or cannot be written, the method does not say where
        its backbone is, or weights are not finite. Then an earlier export is unchanged, unless
        writing failed midway: it has no ``encoder.json`` then.
    """
    folder = expanded(folder)
    check_folder(folder)
    arrays, classes = weights.encoder_arrays(run), classes_of(run)
    head = weights.head_arrays(run) if classes else {}
    obstacle = timm.obstacle(arrays, run.config)
    model = None if obstacle else timm.model_of(arrays, run.config)
    serialized = program.serialize(run)
    about = _described(run, serialized.sizes) | {
        "arrays": _shapes(arrays),
        "timm": _of_timm(run, model),
        "classes": list(classes),
        "head": _shapes(head),
    }
    contents = {
        ENCODER: weights.to_bytes(arrays),
        PROGRAM: serialized.content,
        TIMM: weights.to_bytes(model.arrays) if model else b"",
        HEAD: weights.to_bytes(head) if head else b"",
        DESCRIPTION: (json.dumps(about, indent=2) + "\n").encode(),
    }
    _write(folder, contents)
    said = {
        ENCODER: f"{len(arrays)} arrays after {run.step:,} steps",
        PROGRAM: _signature(about["input"], serialized.sizes),
        TIMM: _timm_line(about["timm"], obstacle),
        HEAD: f"the classifier of {len(classes)} classes" if head else "",
        DESCRIPTION: "describes the other files",
    }
    return [f"{name}: {line}" for name, line in said.items() if line]


def _described(run: Run, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Returns what ``encoder.json`` says about the run, its input and its features."""
    config, (name, example) = run.config, program.input_of(run)
    pixels = example.dtype == np.float32
    return {
        "format": FORMAT,
        "ssl_jax": metadata.version("ssl_jax"),
        "jax": jax.__version__,
        "method": config.get("method", {}).get("name"),
        "data": config.data.name,
        "steps": run.step,
        "network": config.network.to_dict(),
        "input": {
            "name": name,
            "shape": ["n", *example.shape],
            "dtype": str(example.dtype),
            "range": [0, 1] if pixels else [0, config.data.vocabulary - 1],
        },
        "mean": list(config.data.mean) if pixels else None,
        "std": list(config.data.std) if pixels else None,
        "layers": list(config.evaluation.layers),
        "features": sizes["features"],
    }


def _of_timm(run: Run, model: timm.Model | None) -> dict[str, Any] | None:
    if model is None:
        return None
    (_, example), layers = program.input_of(run), tuple(run.config.evaluation.layers)
    return {
        "model": model.model,
        "kwargs": model.kwargs,
        "replace": model.replace,
        # otherwise the features are other layers, a grid's cells, or several frames
        "returns_features": (len(example.shape), layers) == (3, ("features",))
        and run.config.network.pool != "grid",
    }


def _shapes(arrays: Arrays) -> dict[str, list[int]]:
    return {name: list(x.shape) for name, x in arrays.items()}


def _signature(described: Mapping[str, Any], sizes: Mapping[str, int]) -> str:
    shape = ", ".join(map(str, described["shape"]))
    outputs = ", ".join(f"{name} [n, {size}]" for name, size in sizes.items())
    platforms = ", ".join(program.PLATFORMS)
    return f"{described['name']} {described['dtype']} [{shape}] -> {outputs}, on {platforms}"


def _timm_line(about: Mapping[str, Any] | None, obstacle: str) -> str:
    if about is None:
        return f"not written: {obstacle}"
    changed = f" with another {' and '.join(about['replace'])}" if about["replace"] else ""
    line = f"timm's {about['model']}{changed}, created as {DESCRIPTION} says"
    if about["returns_features"]:
        return line
    return f"{line}; it returns the pooled last layer, which is not this run's features"


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Writes the files; ``encoder.json`` goes first and comes last, so that it fits the others."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (DESCRIPTION, *contents):
            if name == DESCRIPTION or not contents[name]:
                (folder / name).unlink(missing_ok=True)
    for name, content in contents.items():
        if content:
            write_whole(folder / name, content)
