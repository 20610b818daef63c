"""Chooses the form of the layers: the one place where ``nn`` knows about platforms.

Every layer has a plain form, as in a textbook, which works on all platforms and has all
derivatives. Two others exist: ``nn/cpu/``, whose gradients are fast on a CPU but have no forward
mode, and cuDNN's attention. The form is chosen when a function is traced, and is part of
``jax.jit``'s cache key. ``lax.platform_dependent`` would put every form into every program, and
cuDNN's cannot be lowered on a machine without cuDNN.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import jax

Form = Literal["plain", "cpu", "cudnn"]

_AMPERE = 8.0  # the lowest compute capability for which cuDNN has this attention
_override: Any = jax.make_user_context(default_value=None)
_settings: Any = jax.config  # type checkers do not know its attributes


def form() -> Form:
    """Returns the form in which layers are traced at this point.

    Returns:
      Inside ``traced_as``, its form. Otherwise the form for the default device: ``cpu`` on a CPU,
      ``cudnn`` on an NVIDIA GPU whose cuDNN has this attention, and ``plain`` elsewhere.
    """
    if _override.value is not None:
        return _override.value
    chosen = _settings.jax_default_device
    if (getattr(chosen, "platform", chosen) or jax.default_backend()) == "cpu":
        return "cpu"
    return "cudnn" if _has_cudnn(jax.local_devices()[0]) else "plain"


@contextmanager
def traced_as(form: Form) -> Iterator[None]:
    """Traces the layers inside the ``with`` block in one form, whatever the backend.

    Use it to lower or export for another platform, and for forward-mode derivatives:
    ``with traced_as("plain"): jax.jvp(f, ...)``.

    Raises:
      ValueError: there is no such form.
    """
    if form not in get_args(Form):
        raise ValueError(f"form: {form!r}; expected one of {', '.join(get_args(Form))}")
    with _override(form):
        yield


def _has_cudnn(device: Any) -> bool:
    is_nvidia = device.device_kind.startswith("NVIDIA")
    return is_nvidia and float(device.compute_capability) >= _AMPERE
