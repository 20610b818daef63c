"""Which form of the layers is traced: the one place where ``nn`` knows of platforms.

Every layer has a plain form, as in a textbook, for all platforms and with all derivatives. Beside
it stand ``nn/cpu/``, whose gradients are fast on a CPU and have no forward mode, and cuDNN's
attention. The choice is made when a function is traced, and is part of ``jax.jit``'s cache key:
``lax.platform_dependent`` would put every form into every program, and cuDNN's cannot even be
lowered on a machine without it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import jax

Form = Literal["plain", "cpu", "cudnn"]

_AMPERE = 8.0  # the compute capability from which cuDNN has this attention
_override: Any = jax.make_user_context(default_value=None)
_settings: Any = jax.config  # its attributes are made at run time


def form() -> Form:
    """The form of the layers that are traced now.

    Returns:
      The form of ``traced_as``, if inside one. Else what suits the default device:
      ``cpu`` on a CPU, ``cudnn`` on an NVIDIA GPU that has it, and ``plain`` elsewhere.
    """
    if _override.value is not None:
        return _override.value
    chosen = _settings.jax_default_device
    if (getattr(chosen, "platform", chosen) or jax.default_backend()) == "cpu":
        return "cpu"
    return "cudnn" if _has_cudnn(jax.local_devices()[0]) else "plain"


@contextmanager
def traced_as(form: Form) -> Iterator[None]:
    """Makes layers traced inside it use one form, whatever the backend.

    For what is lowered or exported for another platform, and for forward-mode derivatives:
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
