"""Whether the ledger speaks of the code as it is now: digests of operators and of notebooks.

The standard library only: `python -m tests.ledger` reads this file too, where there is no Sphinx.
"""

import ast
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

BESIDE = {"__init__", "benchmark", "edges", "refusals", "trials"}  # in src/gather3d, no operators
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def operators(root: Path) -> dict[str, str]:
    """A digest of each operators' module."""
    modules = (root / "src" / "gather3d").glob("*.py")
    return {path.stem: of_module(path) for path in sorted(modules) if path.stem not in BESIDE}


def notebooks(root: Path) -> dict[str, str]:
    """A digest of each chapter."""
    return {path.stem: of_notebook(path) for path in sorted((root / "notebooks").glob("*.ipynb"))}


def changed(ledger: Mapping, root: Path) -> list[str]:
    """The operators' modules and the chapters that are not what they were for the ledger."""
    now = {**operators(root), **notebooks(root)}
    then = ledger["digests"]
    return sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))


def of_module(path: Path) -> str:
    """Of its code: docstrings, comments on lines of their own and empty lines do not count.

    Of the text and not of the syntax tree, which prints differently from one Python to the next.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            words = node.body[0]
            lines[words.lineno - 1 : words.end_lineno] = [""] * (
                words.end_lineno - words.lineno + 1
            )
    return digest(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def of_notebook(path: Path) -> str:
    """Of its code cells."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return digest("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def digest(parts) -> str:
    return hashlib.sha256("\n\0".join(parts).encode()).hexdigest()[:16]
