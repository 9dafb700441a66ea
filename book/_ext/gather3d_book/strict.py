"""Warnings are errors, in `jupyter-book build .` as in `make book`."""

from pathlib import Path

from sphinx.application import ENV_PICKLE_FILENAME, Sphinx


def setup(app: Sphinx) -> None:
    app.keep_going = True  # a warning makes the build fail, at its end: all are seen at once
    app.connect("build-finished", forget_failed_build)


def forget_failed_build(app: Sphinx, exception: Exception | None) -> None:
    """Make the next build read every page again, or it would not repeat this one's warnings."""
    if exception or app._warncount:
        Path(app.doctreedir, ENV_PICKLE_FILENAME).unlink(missing_ok=True)
