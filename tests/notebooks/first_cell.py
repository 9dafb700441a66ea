"""The cell with which every notebook begins: in Colab it makes gather3d importable.

Colab has torch but not gather3d, and a notebook that is opened from GitHub comes alone. No address
is written down in this project, so the cell asks for that of the repository, in this order:

1. Colab's Jupyter server, at $COLAB_JUPYTER_IP:$KMP_TARGET_PORT. The session of a notebook that was
   opened from GitHub has the path fileId=https%3A//github.com/OWNER/NAME/blob/BRANCH/notebooks/….
2. Colab's page, for the notebook itself. A copy in somebody's Drive names what it was copied from,
   in metadata.colab.provenance.
3. whoever runs it.

Then pip installs the package from there (it asks for a range of torch, and leaves Colab's alone)
and lists what is installed. Elsewhere the condition is false and nothing happens, not even an
import. It is one statement, so that a reader meets one cell that can be passed over: Colab shows
its title only (cellView), JupyterLab folds it, a page leaves it out.
"""

import nbformat
from nbformat import NotebookNode

SOURCE = r"""
# @title In Colab: install gather3d from this notebook's repository. Elsewhere: nothing.
if "google.colab" in str(get_ipython()): get_ipython().system(
    "pip install -q 'gather3d[notebooks] @ git+https://" + next(
        repository for ask in (
            lambda: get_ipython().getoutput(
                "curl -sm 9 $COLAB_JUPYTER_IP:$KMP_TARGET_PORT/api/sessions"),
            lambda: __import__("google.colab").colab._message.blocking_request("get_ipynb"),
            lambda: input("Type the address of the book's repository (github.com/…/…): "))
        for repository in __import__("re").findall(
            r"github\.com/[\w.-]+/[\w.-]+(?=/blob/\S+/notebooks/|/?$)", str(ask()))
    ) + "' && pip list | grep -E '^(gather3d|numpy|torch) '")
""".strip()

NAME = "colab"
METADATA = {
    "cellView": "form",
    "jupyter": {"source_hidden": True},
    "tags": ["remove-cell"],
}


def first_cell() -> NotebookNode:
    return nbformat.v4.new_code_cell(SOURCE, id=NAME, metadata=METADATA)


def begun(notebook: NotebookNode) -> NotebookNode:
    """The notebook with this cell, as it stands here, at its beginning."""
    rest = [cell for cell in notebook.cells if cell.get("id") != NAME]
    return NotebookNode({**notebook, "cells": [first_cell(), *rest]})
