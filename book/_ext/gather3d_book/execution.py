"""Every page shows what its notebook does now: which cached outputs may be used, and that it ran.

Jupyter-cache recognises a notebook by its code cells alone. What they import may have changed too,
so outputs are kept in a folder named after a hash of everything else that they depend on.
"""

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

logger = logging.getLogger(__name__)

DEPENDENCIES = ("src", "requirements.txt", "requirements.lock", "pyproject.toml")
CACHE = ".jupyter_cache"
EXECUTIONS = "executions"  # in the cache's folder: when and where its outputs were made (status.py)


def setup(app: Sphinx) -> None:
    # a figure is stored as its data, not as a page of HTML with plotly.js inside it
    os.environ.setdefault("PLOTLY_RENDERER", "plotly_mimetype")
    os.environ.setdefault("PYTHONHASHSEED", "0")
    # Threads that wait spin for milliseconds by default, and where cores are few they take them
    # from those that work. Not to spin at all makes small steps several times slower.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # about a tenth of a millisecond
    app.connect("config-inited", choose_cache)
    app.connect("doctree-read", refuse_tracebacks)
    app.connect("doctree-read", refuse_unexecuted)


def choose_cache(app: Sphinx, config: Config) -> None:
    """Use the cache of exactly this package, these requirements and this machine; drop others.

    Outputs of which nobody knows when and where they were made are made again.
    """
    caches = Path(app.outdir).parent / CACHE
    chosen = caches / dependencies_hash(Path(app.srcdir))
    if caches.is_dir():
        for stale in caches.iterdir():
            if stale != chosen or not (stale / EXECUTIONS).is_dir():
                shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
    config.nb_execution_cache_path = str(chosen)


def dependencies_hash(root: Path) -> str:
    """A hash of what a notebook's outputs depend on apart from its own cells."""
    digest = hashlib.sha256()
    for name in DEPENDENCIES:
        path = root / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts and ".egg-info" not in str(file):
                digest.update(f"{file.relative_to(root)}\0".encode())
                digest.update(file.read_bytes())
    for fact in (platform.python_version(), platform.machine(), str(os.cpu_count()), device()):
        digest.update(f"\0{fact}".encode())
    return digest.hexdigest()[:16]


def device() -> str:
    """What tells one machine's device from another's, without importing torch."""
    chosen = os.environ.get("GATHER3D_DEVICE", "")
    if shutil.which("nvidia-smi"):
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
        return f"{chosen} {found.stdout}"
    return chosen


def refuse_tracebacks(app: Sphinx, doctree: nodes.document) -> None:
    """An exception that a cell shows is a fault, also where a tag lets the notebook run on."""
    for node in doctree.findall(nodes.literal_block):
        if "traceback" in node["classes"]:
            error = node.astext().strip().rpartition("\n")[2]
            logger.error("a cell of this notebook raised an exception: %s", error, location=node)


def refuse_unexecuted(app: Sphinx, doctree: nodes.document) -> None:
    """A page with code cells has a record that they were executed, now or for the cache."""
    docname = app.env.docname
    if not any(node.get("nb_element") == "cell_code" for node in doctree.findall(nodes.container)):
        return
    record = getattr(app.env, "nb_metadata", {}).get(docname, {}).get("exec_data")
    if not record:
        logger.error("the notebook of this page was not executed", location=docname)
    elif not record["succeeded"]:
        logger.error("executing this notebook failed: %s", record["error"], location=docname)
