"""Methods are tested on the smallest networks."""

import pytest

from tests import tiny


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        tiny.small_networks(patch)
        yield
