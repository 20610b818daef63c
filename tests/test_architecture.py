"""Imports point one way, and importing the losses loads nothing heavy."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ssl_jax

ROOT = Path(ssl_jax.__file__).parent

MAY_IMPORT = {
    "errors": set(),
    "output": {"errors"},
    "paths": {"errors"},
    "settings": {"errors"},
    "compilation": {"user_cache"},
    "cpu": set(),
    "user_cache": set(),
    "placement": set(),
    "losses": set(),
    "augment": set(),
    "nn": {"errors", "settings"},
    "data": {"errors", "paths", "settings", "user_cache"},
    "methods": {"augment", "errors", "losses", "nn", "settings"},
    "train": {"data", "errors", "methods", "nn", "output", "placement", "settings"},
    "evaluation": {"augment", "data", "errors", "methods", "placement", "settings"},
    "config": {"data", "errors", "evaluation", "methods", "nn", "settings", "train"},
    "report": {
        *("augment", "config", "data", "errors", "evaluation", "methods", "nn", "output"),
        "placement",
    },
    "runs": {
        *("config", "data", "errors", "evaluation", "methods", "output", "paths"),
        *("placement", "report", "train"),
    },
    "export": {
        *("data", "errors", "evaluation", "nn", "output", "paths", "placement", "runs", "train"),
    },
    "cli": {"compilation", "cpu", "errors", "train"},
    "__init__": {"runs"},
}


def imported(path: Path) -> set[str]:
    """Returns the parts of ssl_jax that a file imports, anywhere in it."""
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
    """Returns the names and the words in strings of a file, except in docstrings."""
    result: set[str] = set()
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
            result |= set() if id(node) in docstrings else set(re.findall(r"\w+", node.value))
        elif isinstance(node, ast.Name | ast.arg):
            result.add(node.id if isinstance(node, ast.Name) else node.arg)
        elif isinstance(node, ast.Attribute):
            result.add(node.attr)
        elif isinstance(node, ast.alias):
            result |= set(node.name.split("."))
    return result


def test_shared_code_names_no_method_and_no_modality():
    from ssl_jax.data.modalities import MODALITIES
    from ssl_jax.methods import METHODS

    shared = [ROOT / "config.py", ROOT / "placement.py"]
    shared += [ROOT / "data/pipeline.py", ROOT / "data/streams.py"]
    for package in ("train", "runs", "evaluation", "report"):
        shared += (ROOT / package).glob("*.py")
    keys = {"image", "video", "tokens"}  # keys of batches; "text" is a common word in this code
    assert MODALITIES.keys() <= keys | {"text"}
    assert len(shared) > 35
    for path in shared:
        if path.name not in ("picture.py", "ngram.py"):  # pictures on a page, token counts
            named = words(path) & (METHODS.keys() | keys)
            assert not named, (path, named)


def test_networks_read_no_method_settings():
    for path in (ROOT / "nn").rglob("*.py"):
        assert "config.method" not in path.read_text(), path


def loaded(statement: str) -> set[str]:
    """Returns the modules that a statement loads."""
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_training_and_evaluation_do_not_import_each_other():
    training = "import ssl_jax.train.loop, ssl_jax.train.optim"
    assert not any(name.startswith("ssl_jax.evaluation") for name in loaded(training))
    assert "ssl_jax.evaluation" not in loaded("import ssl_jax.train")
    assert not any(name.startswith("ssl_jax.train") for name in loaded("import ssl_jax.evaluation"))


def test_parts_are_loaded_on_first_use():
    assert "ssl_jax.losses" not in loaded("import ssl_jax")
    for part in ssl_jax._MODULES:
        assert f"ssl_jax.{part}" in loaded(f"import ssl_jax; ssl_jax.{part}")
    assert "ssl_jax.methods.contrastive.simclr" not in loaded("import ssl_jax.methods")
    with pytest.raises(AttributeError, match="no attribute 'loses'"):
        _ = ssl_jax.loses


def test_losses_and_augment_load_nothing_heavy():
    heavy = "flax orbax grain tensorflow_datasets ml_collections matplotlib sklearn PIL rich"
    modules = loaded("import ssl_jax; ssl_jax.losses; ssl_jax.augment")
    assert modules.isdisjoint(heavy.split())
