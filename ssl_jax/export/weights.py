"""A run's arrays by name, and safetensors files of them.

An array's name is its path with dots: ``stages.1.0.conv1.kernel``. Layouts are ssl_jax's: a
convolution's kernel is ``[height, width, in, out]``, a linear layer's ``[in, out]``.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import numpy as safetensors

from ssl_jax.errors import InputError
from ssl_jax.placement import path_name
from ssl_jax.runs.run import Run

Arrays = dict[str, np.ndarray]


def encoder_arrays(run: Run) -> Arrays:
    """Returns the parameters and BatchNorm statistics of the encoder that is kept, by name.

    Raises:
      InputError: the method does not say where its backbone is, there is none, two arrays have one
        name, or a value is not finite.
    """
    try:
        params, stats = run.method.backbone(run.params, run.extra)
    except InputError:
        raise InputError(
            "export: the method does not say where its backbone is; expected Method.backbone"
        ) from None
    arrays, statistics = _named(params), _named(stats)
    if not arrays:
        raise InputError("export: the backbone has no parameters; expected a network with weights")
    for name in sorted(arrays.keys() & statistics.keys()):
        raise InputError(f"export: {name} is a parameter and a statistic; expected different names")
    return _checked(arrays | statistics)


def head_arrays(run: Run) -> Arrays:
    """Returns the parameters of a method's head, ``head.*``; ``{}`` if it has no ``head``.

    If the method keeps an average of its weights, the head is the average's.

    Raises:
      InputError: a value is not finite.
    """
    params = run.params if isinstance(run.params, dict) else {}
    params = run.extra.get("average", params) if isinstance(run.extra, dict) else params
    return _checked(_named({"head": params.get("head", {})}))


def by_name(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by name."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {path_name(path).replace("/", "."): x for path, x in leaves}


def to_bytes(arrays: Arrays) -> bytes:
    """Returns the content of a safetensors file."""
    return safetensors.save({name: np.asarray(x, order="C") for name, x in arrays.items()})


def _named(tree: Any) -> Arrays:
    """Returns the arrays of a tree by name; floating ones in float32."""
    return {name: _wide(x) for name, x in by_name(jax.device_get(tree)).items()}


def _wide(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(np.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x


def _checked(arrays: Arrays) -> Arrays:
    for name, x in arrays.items():
        if not np.isfinite(x).all():
            raise InputError(
                f"export: {name} holds values that are not finite; "
                "expected the weights of a run that did not diverge"
            )
    return arrays
