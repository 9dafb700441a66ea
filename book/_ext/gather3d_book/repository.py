"""Launch buttons and links to the repository that publishes the book: no address is written down.

GitHub Actions says where it runs (GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_REF_NAME), and the
publishing workflow passes the address of the Pages site on as PAGES_URL. Elsewhere a page has no
such button, and where a reader needs the address, words stand for it.
"""

import os

from sphinx.application import Sphinx
from sphinx.config import Config

LAUNCH = {
    "notebook_interface": "jupyterlab",
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}
WORDS = "<address of this repository>"


def setup(app: Sphinx) -> None:
    app.connect("config-inited", describe_repository, priority=400)
    app.connect("source-read", write_address)


def describe_repository(app: Sphinx, config: Config) -> None:
    url = repository_url()
    published = url is not None
    config.html_theme_options = {
        **config.html_theme_options,
        "repository_url": url or "",
        "repository_provider": "github",
        "repository_branch": os.environ.get("GITHUB_REF_NAME", "main"),
        "path_to_docs": "",
        "launch_buttons": LAUNCH if published else {},
        "use_repository_button": published,
        "use_edit_page_button": published,
        "use_issues_button": published,
    }
    config.html_baseurl = os.environ.get("PAGES_URL", "")


def write_address(app: Sphinx, docname: str, content: list[str]) -> None:
    """A line that a reader is to copy has the address in it."""
    if url := repository_url():
        content[0] = content[0].replace(WORDS, url)


def repository_url() -> str | None:
    """The address of the repository that builds the book, where something builds it for one."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return f"{server}/{name}" if server and name else None
