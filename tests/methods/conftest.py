"""Method tests use very small networks."""

import pytest

from tests import tiny


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        yield
