"""The folder below the user's home for what can be made or downloaded again."""

from collections.abc import Mapping
from pathlib import Path


def folder(environment: Mapping[str, str], name: str) -> Path:
    """Returns ``$XDG_CACHE_HOME/ssl_jax/NAME``; without the variable, it is in ``~/.cache``.

    Raises:
      RuntimeError: there is no home folder.
    """
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".cache"
    return base / "ssl_jax" / name
