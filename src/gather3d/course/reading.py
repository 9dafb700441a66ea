"""Read a file as a notebook, however it was saved.

What counts are the cells' texts, names and attachments. Outputs are left out at once: the cells run
again, and outputs are what makes a notebook too large.
"""

import json
import re
from typing import Any

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

LARGEST = 20 << 20  # bytes of a notebook's cells, without outputs
SHOWN = 20_000  # characters of a file that cannot be read
NEW = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}
PROMPT = re.compile(r"^# (?:In ?\[[ \d]*\]:|%%.*)$", re.M)
"""What comes before a cell in a script made by nbconvert or an editor."""


class UnreadableError(ValueError):
    """Why a file is no notebook, as a sentence."""


def decoded(data: bytes) -> tuple[str, str]:
    """The text in whatever Unicode, with or without a byte order mark; and what there is to say."""
    if not data.strip(b"\0 \r\n\t"):
        raise UnreadableError("The file is empty.")
    try:
        return data.decode(json.detect_encoding(data)).removeprefix("\ufeff"), ""
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), "not UTF-8, read as Windows-1252"


def readable(data: bytes) -> tuple[NotebookNode, str, list[str]]:
    """The notebook, "" and what there is to say; or one that shows the file, and its fault."""
    text = ""
    try:
        text, said = decoded(data)
        notebook, more = notebook_of(text)
        if (size := len(json.dumps(notebook, ensure_ascii=False).encode())) > LARGEST:
            raise UnreadableError(
                f"The file is too large: {size / 2**20:.0f} MiB without its outputs, "
                f"{LARGEST >> 20} are allowed."
            )
    except (UnreadableError, UnicodeEncodeError) as error:
        fault = str(error) if isinstance(error, UnreadableError) else "The file is no text."
        shown = text[:SHOWN].replace("~~~", "~ ~ ~")
        source = f"**{fault}**" + (f" It begins so:\n\n~~~~~~\n{shown}\n~~~~~~" if shown else "")
        return new_notebook(cells=[new_markdown_cell(source, id="unreadable")]), fault, []
    return notebook, "", [each for each in (said, *more) if each]


def notebook_of(text: str) -> tuple[NotebookNode, list[str]]:
    """A notebook of any version of the format, with its cells' outputs left out.

    Raises:
        UnreadableError: it is none.
    """
    said = []
    try:
        found, end = json.JSONDecoder().raw_decode(text.lstrip())
    except RecursionError:
        raise UnreadableError("The file is no notebook: it is nested too deeply.") from None
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise UnreadableError(f"The file is no notebook: it is not JSON{where}.") from None
    if text.lstrip()[end:].strip():
        said.append("there is more in the file, after the notebook")
    given = cells_in(found)
    cells = [cell for each in given if (cell := cell_of(each)) is not None]
    if len(cells) < len(given):
        said.append(f"{len(given) - len(cells)} of {len(given)} cells make no sense")
    return new_notebook(cells=distinct(cells)), said


def cells_in(found: Any) -> list:
    """Its cells: of format 4 or later, or of 3 and before, which had worksheets."""
    if not isinstance(found, dict):
        raise UnreadableError("The file is no notebook: it is JSON, but no object.")
    sheets = found.get("worksheets")
    if isinstance(sheets, list) and "cells" not in found:
        parts = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        return [cell for part in parts if isinstance(part, list) for cell in part]
    if not isinstance(found.get("cells"), list):
        raise UnreadableError("The file is no notebook: it has no cells.")
    return found["cells"]


def cell_of(given: Any) -> NotebookNode | None:
    """A cell as format 4 has it, whatever else is in it; None if it has no text."""
    if not isinstance(given, dict):
        return None
    source = given.get("source", given.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str):
        return None
    kind = given.get("cell_type")
    if kind == "heading":
        level = given.get("level")
        kind, source = "markdown", f"{'#' * (level if level in range(1, 7) else 1)} {source}"
    cell = NEW.get(kind, new_raw_cell)(source)
    if isinstance(given.get("metadata"), dict):
        cell.metadata = from_dict(given["metadata"])
    tags = cell.metadata.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        cell.metadata.pop("tags")
    if isinstance(id := given.get("id"), str) and re.fullmatch(r"[\w-]{1,64}", id, re.ASCII):
        cell.id = id
    attached = given.get("attachments")
    if kind == "markdown" and isinstance(attached, dict) and all_dicts(attached):
        cell.attachments = from_dict(attached)
    return cell


def all_dicts(given: dict) -> bool:
    return all(isinstance(each, dict) for each in given.values())


def distinct(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells, no two of which have one id."""
    seen: set[str] = set()
    for cell in cells:
        while cell.id in seen:
            cell.id = f"{cell.id[:50]}-{len(seen)}"
        seen.add(cell.id)
    return cells


def script(data: bytes) -> NotebookNode:
    """The notebook behind a Python file: a cell for each prompt, comments by themselves are text.

    Raises:
        UnreadableError: it is no text.
    """
    text, _ = decoded(data)
    text = re.sub(r"\A(?:#!.*\n|# coding.*\n|# -\*-.*\n)+", "", text.replace("\r\n", "\n"))
    cells = []
    for part in PROMPT.split(text):
        code = None  # the cell that goes on behind a gap of blank lines
        for block in re.split(r"\n{3,}", part.strip("\n")):
            lines = block.strip("\n").splitlines()
            if lines and all(line.startswith("#") for line in lines):
                cells.append(new_markdown_cell("\n".join(line[1:].strip() for line in lines)))
                code = None
            elif code is not None:
                code.source += f"\n\n\n{block}"
            elif block.strip():
                code = new_code_cell(block)
                cells.append(code)
    return new_notebook(cells=cells)
