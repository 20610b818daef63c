"""Imports point one way, and losses bring nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import ssl_jax

ROOT = Path(ssl_jax.__file__).parent

MAY_IMPORT = {
    "errors": set(),
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
    "evaluation": {"augment", "data", "errors", "methods", "sharding"},
    "train": {"config", "data", "errors", "evaluation", "methods", "sharding"},
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


def test_no_method_is_named_outside_methods():
    from ssl_jax.methods import METHODS

    for part in ("train", "evaluation", "data"):
        for path in (ROOT / part).rglob("*.py"):
            words = path.read_text().lower()
            code = "\n".join(line for line in words.splitlines() if "et al." not in line)
            for name in METHODS:
                assert f'"{name}"' not in code, (path, name)


def test_losses_and_augment_load_nothing_heavy():
    heavy = "flax orbax grain tensorflow_datasets ml_collections matplotlib sklearn PIL rich"
    program = (
        "import sys, ssl_jax.losses, ssl_jax.augment;"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done
