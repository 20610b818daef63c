"""docs/fidelity.md: its settings are those of the presets, and the tests that it names exist."""

import ast
import math
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ssl_jax.methods import METHODS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/fidelity.md").read_text()
SECTION = re.compile(r"^## .+?\n\n`configs/(\w+)\.py`", re.MULTILINE)
SETTING = re.compile(r"`([a-z_.0-9]+)` is `([^`]+)`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def sections() -> dict[str, str]:
    parts = re.split(r"(?=^## )", PAGE, flags=re.MULTILINE)[1:]
    return {SECTION.match(part)[1]: part for part in parts}


def rows(part: str) -> list[list[str]]:
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def value(text: str) -> Any:
    """Evaluates a literal whose numbers may be fractions, such as (15 / 35, 25 / 35)."""
    if text.startswith("(") and "/" in text:
        return tuple(map(value, filter(None, (part.strip() for part in text[1:-1].split(",")))))
    first, *others = re.split(r" ([*/]) ", text)
    result = ast.literal_eval(first)
    for sign, number in zip(others[::2], others[1::2], strict=True):
        factor = ast.literal_eval(number)
        result = result * factor if sign == "*" else result / factor
    return result


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=1e-12)
    return found == expected


def lookup(config: Any, key: str) -> Any:
    for name in key.split("."):
        config = config[name]
    return config


SETTINGS = [
    pytest.param(name, key, text, id=f"{name}-{key}")
    for name, part in sections().items()
    for key, text in SETTING.findall(part)
]


@pytest.mark.parametrize(("name", "key", "text"), SETTINGS)
def test_the_paper_preset_has_the_published_setting(name, key, text):
    config = import_module(f"configs.{name}").get_config("paper")
    assert same(lookup(config, key), value(text))


def test_each_method_has_a_section():
    assert sections().keys() == METHODS.keys() - {"finetune"}


@pytest.mark.parametrize("name", sections())
def test_each_choice_is_tested_or_a_stated_deviation(name):
    for row in rows(sections()[name]):
        assert len(row) == 4, row
        *_, here = row
        assert SETTING.search(here) or TEST.search(here) or "deviation: " in here, row


def test_the_tests_that_it_names_exist():
    found = TEST.findall(PAGE)
    assert found
    for path, name in found:
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), name
