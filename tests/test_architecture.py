"""Imports point one way, and losses bring nothing heavy."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import ssl_jax

ROOT = Path(ssl_jax.__file__).parent

MAY_IMPORT = {
    "errors": set(),
    "output": {"errors"},
    "config": {"errors"},
    "cli": {"compilation", "cpu", "errors", "train"},
    "compilation": set(),
    "cpu": set(),
    "losses": set(),
    "augment": set(),
    "nn": set(),
    "data": {"errors"},
    "sharding": set(),
    "methods": {"augment", "errors", "losses", "nn"},
    "evaluation": {"augment", "data", "errors", "methods", "output", "sharding"},
    "train": {"config", "data", "errors", "evaluation", "methods", "output", "sharding"},
    "__init__": {"train"},
}


def imported(path: Path) -> set[str]:
    """Parts of ssl_jax that a file imports, anywhere in it."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "ssl_jax":
            parts |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ssl_jax."):
            parts.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            parts |= {a.name.split(".")[1] for a in node.names if a.name.startswith("ssl_jax.")}
    return parts


def test_imports_point_one_way():
    files = [path for path in ROOT.rglob("*.py") if "embedded" not in path.parts]
    assert len(files) > 20
    for path in files:
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        assert imported(path) <= MAY_IMPORT[part] | {part}, path


def words(path: Path) -> set[str]:
    """Names and texts of a file's code; docstrings are not code."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(getattr(node, "body", None), list)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set() if id(node) in docstrings else set(re.findall(r"\w+", node.value))
        elif isinstance(node, ast.Name | ast.arg):
            found.add(node.id if isinstance(node, ast.Name) else node.arg)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found |= set(node.name.split("."))
    return found


def test_shared_machinery_names_no_method_and_no_modality():
    from ssl_jax.evaluation.modalities import MODALITIES
    from ssl_jax.methods import METHODS

    machinery = [ROOT / "data/pipeline.py", *(ROOT / "train").glob("*.py")]
    machinery += (ROOT / "evaluation").glob("[a-z]*.py")
    keys = {"image", "video", "tokens"}  # of batches; "text" is also what is printed
    assert MODALITIES.keys() <= keys | {"text"}
    assert len(machinery) > 20
    for path in machinery:
        if path.name != "charts.py":  # whose image is a chart's
            named = words(path) & (METHODS.keys() | keys)
            assert not named, (path, named)


def test_losses_and_augment_load_nothing_heavy():
    heavy = "flax orbax grain tensorflow_datasets ml_collections matplotlib sklearn PIL rich"
    program = (
        "import sys, ssl_jax.losses, ssl_jax.augment;"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done
