"""Self-supervised learning in JAX.

``from ssl_jax import losses, augment`` gives pure functions and loads little; ``ssl_jax.load``
takes up a trained run.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "load":
        from ssl_jax.train.run import load

        return load
    raise AttributeError(f"module 'ssl_jax' has no attribute {name!r}")
