"""What is wrong with the HTML of a built book, as a list: no browser needed."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

EMPTY_WORDS = {"click here", "here", "this", "link", "more", "learn more", "read more", "go"}


def read_pages(folder: Path) -> dict[Path, BeautifulSoup]:
    return {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(folder.rglob("*.html"))
        if "_static" not in path.parts
    }


def faults(folder: Path) -> list[str]:
    """All that is wrong with all pages; each fault begins with its page."""
    pages = read_pages(folder)
    names = {
        path: Counter(tag["id"] for tag in page.find_all(id=True)) for path, page in pages.items()
    }
    described = Counter(description(page) for page in pages.values())
    found = []
    for path, page in pages.items():
        wrong = [*page_faults(page), *link_faults(path, page, names)]
        wrong += [f"the name {name} is given twice" for name, n in names[path].items() if n > 1]
        if described[description(page)] > 1:
            wrong.append("another page has this description")
        found += [f"{path.relative_to(folder).as_posix()}: {fault}" for fault in wrong]
    return found


def description(page: BeautifulSoup) -> str | None:
    tag = page.find("meta", attrs={"name": "description"})
    return tag and tag["content"]


def page_faults(page: BeautifulSoup) -> Iterator[str]:
    if not (page.html and page.html.get("lang")):
        yield "no language"
    if not (page.title and page.title.get_text(strip=True)):
        yield "no title"
    for name in ("viewport", "description"):
        count = len(page.find_all("meta", attrs={"name": name}))
        if count != 1:
            yield f"{count} tags for the {name}"
    redirected = page.find("meta", attrs={"http-equiv": "refresh"})
    if len(page.find_all("h1")) != 1 and not redirected:
        yield f"{len(page.find_all('h1'))} first headings"


def link_faults(path: Path, page: BeautifulSoup, names: dict[Path, Counter]) -> Iterator[str]:
    for link in page.find_all("a", href=True):
        words = link.get("aria-label") or link.get_text(" ", strip=True)
        words = words or " ".join(image.get("alt", "") for image in link.find_all("img"))
        if not words or words.lower() in EMPTY_WORDS:
            yield f"the link to {link['href']} says {words!r}"
        address = urlsplit(link["href"])
        if address.scheme or address.netloc:
            continue
        target = (path.parent / unquote(address.path)).resolve() if address.path else path
        place = unquote(address.fragment)
        if not target.is_file() or (place and target in names and place not in names[target]):
            yield f"the link to {link['href']} leads nowhere"
