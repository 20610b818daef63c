"""The cache folder."""

from pathlib import Path

from ssl_jax.user_cache import folder


def test_the_folder_follows_xdg_cache_home():
    home = Path.home() / ".cache/ssl_jax/data"
    assert folder({}, "data") == home
    assert folder({"XDG_CACHE_HOME": ""}, "data") == home
    assert folder({"XDG_CACHE_HOME": "not/absolute"}, "data") == home
    assert folder({"XDG_CACHE_HOME": "/c"}, "data") == Path("/c/ssl_jax/data")
