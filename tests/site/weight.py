"""What a built page weighs, part by part.

python -m tests.site.weight        a table of all pages of the built book
"""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median

BUILT = Path(__file__).parents[2] / "_build" / "html"
BESIDE = re.compile(r'(?:data-src|<image [^>]*href)="([^"?]+)')

# budgets, in bytes
HTML_MEDIAN = 120_000
HTML_GZIP = 64_000  # of any one page, its flat pictures included
DATA = 1_500_000  # of a page's figures and widgets
FIRST_LOAD = 350_000  # over the network, before the reader does anything


@dataclass
class Weight:
    """Bytes: of the page itself, raw and gzipped; of the data of its figures and widgets, raw and
    gzipped, which is loaded when the reader comes near, and of images of numbers."""

    html: int
    html_gzip: int
    data: int
    data_gzip: int


def weigh(page: Path) -> Weight:
    html = page.read_bytes()
    beside = [page.parent / source for source in BESIDE.findall(html.decode())]
    data = [path.read_bytes() for path in beside]
    return Weight(
        len(html),
        len(gzip.compress(html)),
        sum(map(len, data)),
        sum(len(gzip.compress(d)) for d in data),
    )


def faults(weights: dict[str, Weight]) -> list[str]:
    """What is over its budget."""
    found = []
    middle = median(weight.html for weight in weights.values())
    if middle > HTML_MEDIAN:
        found.append(f"half of the pages have more than {middle:.0f} bytes of HTML")
    for name, weight in weights.items():
        if weight.html_gzip > HTML_GZIP:
            found.append(f"{name}: {weight.html_gzip} bytes of HTML, gzipped")
        if weight.data > DATA:
            found.append(f"{name}: {weight.data} bytes of figure data")
    return found


def pages(built: Path = BUILT) -> list[Path]:
    """The pages of the book, and those that Sphinx adds; not the one that leads to the first."""
    found = (path for path in built.rglob("*.html") if "_static" not in path.parts)
    return sorted(path for path in found if path != built / "index.html")


def main() -> None:
    print("| page | HTML, kB | gzip | figure data, kB | gzip |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for page in pages():
        weight = weigh(page)
        numbers = (weight.html, weight.html_gzip, weight.data, weight.data_gzip)
        print(
            f"| {page.relative_to(BUILT)} | " + " | ".join(f"{n / 1000:.0f}" for n in numbers), "|"
        )


if __name__ == "__main__":
    main()
