"""What a chapter's notebook must be, as a list of what is wrong with it."""

import ast
import re
from itertools import pairwise
from statistics import median

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from .first_cell import NAME, begun
from .normalise import IGNORED, UNSTORED, dumps, normalise

LONGEST_CELL = 25  # lines
LONGEST_LINE = 94  # signs: on a laptop a page shows no more of a line
MEDIAN_CELL = 8  # lines
FEWEST_ASSERTS = 8

DRAWING_CALLS = {"display", "interact", "interactive", "interactive_output"}
DRAWING_MODULES = {"figures", "go", "px", "plt", "plotly", "widgets", "ipywidgets"}
TIMING_CALLS = {"compare", "timeit", "perf_counter", "perf_counter_ns", "process_time"}
TIMING_MODULES = {"benchmark", "timeit", "time"}

PLAIN_CALLS = {"abs", "all", "any", "float", "int", "len", "max", "min", "range", "round", "sum"}
"""Calls that make a constant of constants."""

LINK = r"\[[^\]]*\]\([^)]*\)|\{cite:\w\}"
MEASURED = re.compile(r"(?<![\w.])\d[\d.,]*\s?(?:×|times\b|ns\b|µs\b|ms\b|s\b|seconds\b|[GM]B/s|%)")

UNSTABLE = {
    "a memory address": r"\b0x[0-9a-fA-F]{6,}",
    "a device": r"(?i)\bcuda\b|device\(type=|device='|\bnvidia\b|\bgeforce\b|\bxeon\b|\bryzen\b",
    "a time": r"(?<![\w.])\d+(\.\d+)?\s?(ns|µs|us|ms|s|sec|seconds?|minutes?)\b(?![/²^])",
    "a speed": r"\d\s?([KMGT]i?B|[KMGT]?FLOPs?)/s\b",
    "a date": r"\b20\d\d-[01]\d-[0-3]\d\b",
    "a path of one machine": r"(?<![\w.])/(home|root|tmp|usr|opt|work|Users|content)/|ipykernel_\d",
}


def faults(notebook: NotebookNode, text: str | None = None) -> list[str]:
    """Everything that is wrong with a notebook; `text` is its file, where there is one."""
    found = []
    if text is not None and text != dumps(notebook):
        found.append("it is not normal: run `make format`")
    if normalise(notebook) != normalise(begun(notebook)):
        found.append("it does not begin with the cell of first_cell.py: run `make format`")
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.id != NAME]
    asserts = 0
    for number, cell in enumerate(code, start=1):
        tree = parse(cell.source)
        asserts += sum(isinstance(node, ast.Assert) for node in ast.walk(tree))
        found += [f"code cell {number}: {fault}" for fault in cell_faults(cell, tree)]

    found += constant_asserts(code) + told_numbers(notebook)
    if asserts < FEWEST_ASSERTS:
        found.append(f"it asserts {asserts} of its claims, wanted {FEWEST_ASSERTS} at least")
    lengths = [len(cell.source.splitlines()) for cell in code]
    if lengths and median(lengths) > MEDIAN_CELL:
        found.append(f"its median cell has {median(lengths):g} lines, wanted {MEDIAN_CELL} at most")
    return found


def cell_faults(cell: NotebookNode, tree: ast.Module) -> list[str]:
    """What is wrong with one code cell, whose parsed source is `tree`."""
    found = []
    tags = set(cell.metadata.get("tags", []))
    lines = len(cell.source.splitlines())
    if lines > LONGEST_CELL:
        found.append(f"{lines} lines, wanted {LONGEST_CELL} at most")
    longest = max(map(len, cell.source.splitlines()), default=0)
    if longest > LONGEST_LINE:
        found.append(f"a line of {longest} signs, wanted {LONGEST_LINE} at most")

    for tag in sorted(tags & {"nbval-skip", "nbval-raises-exception", "raises-exception"}):
        found.append(f"the tag {tag}: every cell runs, an expected exception is caught and printed")
    if IGNORED in tags and not tags & set(UNSTORED):
        found.append(f"the tag {IGNORED} without {', '.join(UNSTORED)}: its output is not compared")

    drawing, timing = drawn_and_timed(tree)
    if drawing and not tags & set(UNSTORED):
        found.append(f"it calls {drawing} and has none of the tags {', '.join(UNSTORED)}")
    if timing and "timing" not in tags:
        found.append(f"it calls {timing} and has no tag timing")

    if "version" in tags and any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        found.append("the tag version and an assert: another torch may do otherwise")
    if (words := foreign_words(tree)) and not tags & {"version", "timing"}:
        found.append(f"it keeps the words of an exception of torch's ({words}): tag it version")

    if not tags & set(UNSTORED):
        found += output_faults(cell)
        found += missing_outputs(cell, tree)
    return found


def output_faults(cell: NotebookNode) -> list[str]:
    """What is wrong with the outputs that are stored."""
    found = []
    for output in cell.outputs:
        if output.output_type == "error":
            found.append(f"an error output: {output.ename}: {output.evalue}")
            continue
        if output.output_type == "stream":
            text = output.text
            if output.name == "stderr":
                found.append(f"it writes to stderr: {text.strip().splitlines()[0]}")
        else:
            text = output.data.get("text/plain", "")
        for what, pattern in UNSTABLE.items():
            if match := re.search(pattern, text):
                found.append(f"its output holds {what}: {match.group().strip()!r}")
    return found


def missing_outputs(cell: NotebookNode, tree: ast.Module) -> list[str]:
    """What the cell shows by its source and no output holds: it was not run before it was kept."""
    kinds = {output.output_type for output in cell.outputs}
    found = []
    statements = [node for node in tree.body if isinstance(node, ast.Expr)]
    if any(call_name(node.value) == "print" for node in statements) and "stream" not in kinds:
        found.append("it prints, and no printed output is stored: run it with --execute")
    last = tree.body[-1] if tree.body else None
    shows_value = isinstance(last, ast.Expr) and not isinstance(last.value, ast.Call | ast.Await)
    silenced = cell.source.rstrip().endswith(";")
    if shows_value and not silenced and "execute_result" not in kinds:
        found.append("it ends with a value, and no value is stored: run it with --execute")
    return found


def constant_asserts(code: list[NotebookNode]) -> list[str]:
    """Asserts about numbers that the notebook itself wrote down: they hold whatever is computed."""
    found: list[str] = []
    known: set[str] = set()
    for number, cell in enumerate(code, start=1):
        for statement in parse(cell.source).body:
            if isinstance(statement, ast.Assert) and constant(statement.test, known):
                test = ast.unparse(statement.test)
                found.append(f"code cell {number}: an assert about constants: {test}")
            plain = isinstance(statement, ast.Assign) and constant(statement.value, known)
            stored = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and not loads(n)}
            known = known | stored if plain else known - stored
    return found


def told_numbers(notebook: NotebookNode) -> list[str]:
    """Times and ratios in the text under a timing cell: the table above says another one on each
    machine. What somebody else measured has a link in the same sentence."""
    found = []
    for cell, after in pairwise(notebook.cells):
        if "timing" in cell.metadata.get("tags", []) and after.cell_type == "markdown":
            text = after.source.partition("\n#")[0]
            for sentence in re.split(r"(?<=[.?!)])\s+(?=[A-Z(*`{])", text):
                if not re.search(LINK, sentence) and (number := MEASURED.search(sentence)):
                    found.append(f"{after.id}: a measured number in the text: {number[0]!r}")
    return found


def constant(tree: ast.AST, known: set[str]) -> bool:
    """Whether an expression holds nothing but numbers and names of such."""
    own = {  # names of comprehensions
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not loads(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and loads(node) and node.id not in known | own | PLAIN_CALLS:
            return False
        if isinstance(node, ast.Call) and call_name(node) not in PLAIN_CALLS:
            return False
        if isinstance(node, ast.Lambda) or (isinstance(node, ast.List | ast.Dict) and filled(node)):
            return False
    return True


def loads(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def filled(display: ast.List | ast.Dict) -> bool:
    """Whether it begins empty, and what it will hold is not known."""
    return not ast.unparse(display)[1:-1]


def drawn_and_timed(tree: ast.Module) -> tuple[str, str]:
    """The first call that draws and the first that measures time, as they are written, or ''."""
    drawing = timing = ""
    for node in ast.walk(tree):
        name = call_name(node)
        if not name:
            continue
        *modules, function = name.split(".")
        if function in DRAWING_CALLS or set(modules) & DRAWING_MODULES:
            drawing = drawing or name
        timed = set(modules) & TIMING_MODULES or not modules
        if function in TIMING_CALLS and timed:
            timing = timing or name
    return drawing, timing


def foreign_words(tree: ast.Module) -> str:
    """Where the message of an exception is used that no call of ours raises, or ''.

    Torch rewords a message from one version to the next, and mends a fault; that there is an
    exception, and its type, may be part of a contract. (`refusal` of gather3d.trials catches one.)
    """
    for node in ast.walk(tree):
        if call_name(node) == "refusal" and not ours(node):
            return ast.unparse(node)
        if isinstance(node, ast.Try) and not any(map(ours, node.body)):
            for handler in node.handlers:
                names = [ast.unparse(inner) for inner in ast.walk(handler)]
                if handler.name and names.count(handler.name) > names.count(
                    f"type({handler.name})"
                ):
                    return f"except … as {handler.name}"
    return ""


def ours(tree: ast.AST) -> bool:
    """Whether something of gather3d is called in it."""
    return any(call_name(node).startswith(("g3.", "gather3d.")) for node in ast.walk(tree))


def call_name(node: ast.AST) -> str:
    """`figures.scene` for a call figures.scene(...); '' for what is no call of a dotted name."""
    if not isinstance(node, ast.Call):
        return ""
    parts, target = [], node.func
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    return ".".join([target.id, *reversed(parts)]) if isinstance(target, ast.Name) else ""


def parse(source: str) -> ast.Module:
    """The cell's syntax tree, its magics turned into Python first, as IPython does."""
    return ast.parse(TransformerManager().transform_cell(source))
