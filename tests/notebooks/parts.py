"""What a chapter consists of, besides its notebook: what of it is missing, as a list."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat

HEADINGS = (
    "The rule",
    "The trap",
    "In the wild",
    "Exercises",
    "What to remember",
    "Further reading",
)
EXERCISE = re.compile(r"^`(\w+)\.\w+` · ", re.M)  # the line of a task that names its exercise
PREDICTION = re.compile(r"^predict\(\"(\w+)\.\w+\"\)$", re.M)
PREDICTIONS = 3  # at least
EXPLORABLE = re.compile(r"from gather3d\.widgets import (\w+)")


def missing(root: Path, name: str) -> list[str]:
    """The parts that the chapter `name` (05-voxels) lacks in the repository at `root`."""
    return [part for part, there in parts(root, name) if not there]


def parts(root: Path, name: str) -> Iterator[tuple[str, bool]]:
    """Each part, and whether it is there."""
    notebook = f"notebooks/{name}.ipynb"
    text, code = cells(root / notebook)
    headings = re.findall(r"^## (.*)", text, re.M)
    for wanted in HEADINGS:
        yield f"{notebook}: ## {wanted}", any(title.startswith(wanted) for title in headings)
    yield f"{notebook}: a {{term}} of the glossary", "{term}" in text
    yield f"{notebook}: a {{cite:p}} of a reference", "{cite:p}" in text

    explorables = EXPLORABLE.findall(code)
    yield f"{notebook}: an explorable", bool(explorables)
    for explorable in explorables:
        file = re.sub(r"(?<!^)(?=[A-Z])", "_", explorable).lower()  # gather_explorer
        for kind in (f"src/gather3d/widgets/{file}.py", f"src/gather3d/widgets/{file}.js"):
            yield kind, (root / kind).exists()
        yield f"tests/widgets/test_{file}.py", (root / f"tests/widgets/test_{file}.py").exists()
        shown = f"book/how-to-read.md: `{explorable}`"
        yield shown, f"`{explorable}`" in read(root / "book/how-to-read.md")

    predicted = PREDICTION.findall(code)
    yield f"{notebook}: {PREDICTIONS} predictions", len(predicted) >= PREDICTIONS
    for module in sorted(set(predicted)):
        file = f"src/gather3d/exercises/predictions/{module}.py"
        yield file, (root / file).exists()

    master = f"notebooks/exercises/{name}.ipynb"
    yield master, (root / master).exists()
    tasks, _ = cells(root / master)
    modules = sorted(set(EXERCISE.findall(tasks)))
    yield f"{master}: an exercise that is checked", bool(modules)
    for module in modules:
        for folder in ("chapters", "chapters/pictures"):
            file = f"src/gather3d/exercises/{folder}/{module}.py"
            yield file, (root / file).exists()
        bank = f"tests/exercises/bank/{module}.py"
        yield bank, (root / bank).exists()
    for file in (f"notebooks/exercises/students/{name}.ipynb", f"book/exercises/{name}.md"):
        yield file, (root / file).exists()

    number = name.split("-")[0]
    for file, words in {
        "_toc.yml": (f"- file: notebooks/{name}", f"- file: book/exercises/{name}"),
        "book/index.md": (f"| **{{doc}}`../notebooks/{name}`** |",),
        "book/instructors.md": (
            f"| {{doc}}`{name} <exercises/{name}>` |",
            f"| {{doc}}`{number} <../notebooks/{name}>` |",
        ),
    }.items():
        for word in words:
            yield f"{file}: {word}", word in read(root / file)


def cells(path: Path) -> tuple[str, str]:
    """The text of a notebook, and its code; nothing of one that is not there."""
    if not path.exists():
        return "", ""
    notebook = nbformat.read(path, as_version=4)
    sources = {kind: [] for kind in ("markdown", "code", "raw")}
    for cell in notebook.cells:
        sources[cell.cell_type].append(cell.source)
    return "\n".join(sources["markdown"]), "\n".join(sources["code"])


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
