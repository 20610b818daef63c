"""Finds device arrays that a traced function has closed over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import pytest
from jax.extend import core

from ssl_jax.evaluation import linear, nearest
from ssl_jax.evaluation.modalities import image

_JITTED_AT_IMPORT = ((nearest, "_nearest"), (linear, "_minimise"), (image, "raw_input"))


def device_constants(jaxpr: Any) -> list[str]:
    """Returns the types of constants that are device arrays or typed keys, in inner functions too.

    On an accelerator, lowering the program reads such a constant back from the device.
    """
    return [str(value.aval) for value in _constants(jaxpr) if isinstance(value, jax.Array)]


def _constants(jaxpr: Any) -> Iterator[Any]:
    if not isinstance(jaxpr, core.ClosedJaxpr | core.Jaxpr):  # one class from jax 0.12 on
        return
    yield from getattr(jaxpr, "consts", ())
    for equation in jaxpr.eqns:
        yield from (x.val for x in equation.invars if isinstance(x, core.Literal))
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                yield from _constants(inner)
    outputs = getattr(jaxpr, "jaxpr", jaxpr).outvars
    yield from (x.val for x in outputs if isinstance(x, core.Literal))


@contextmanager
def watched_jit() -> Iterator[dict[str, list[str]]]:
    """Yields the ``device_constants`` of each function that is compiled in its body, by name."""
    found: dict[str, list[str]] = {}
    jit = jax.jit

    def watched(jitted: Any) -> Callable[..., Any]:
        found_here = []

        def call(*args: Any, **kwargs: Any) -> Any:
            if not found_here:
                found_here.extend(device_constants(jitted.trace(*args, **kwargs).jaxpr) or [None])
                found.setdefault(jitted.__name__, []).extend(filter(None, found_here))
            return jitted(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "jit", lambda f, **options: watched(jit(f, **options)))
        for module, name in _JITTED_AT_IMPORT:
            patch.setattr(module, name, watched(getattr(module, name)))
        yield found
