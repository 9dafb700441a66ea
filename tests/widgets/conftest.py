"""One small book that shows every explorable, built once, and a browser on its page."""

from collections import defaultdict
from itertools import chain

import pytest
from tests.site.browser import Visit, served
from tests.site.small_book import SmallBook

from gather3d import widgets

EXPLORABLES = widgets.__all__


@pytest.fixture(scope="session")
def shown(tmp_path_factory):
    """The address of a page where explorable k is the k-th widget."""
    small = SmallBook(tmp_path_factory.mktemp("explorables"))
    small.chapter("from gather3d import widgets", *[f"widgets.{name}()" for name in EXPLORABLES])
    status, output = small.build()
    assert status == 0, output
    with served(small.root / "_build" / "html") as address:
        yield f"{address}/notebooks/01-one.html"


class Instrument:
    """One explorable on an open page."""

    def __init__(self, visit: Visit, name: str) -> None:
        self.visit, self.page, self.name = visit, visit.page, name
        place = self.page.locator(".g3-widget").nth(EXPLORABLES.index(name))
        place.scroll_into_view_if_needed()
        self.root = place.locator(".g3x")
        self.root.wait_for()
        self.settle()

    def settle(self) -> None:
        """Wait until what was asked for is painted."""
        self.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def set(self, **traits: object) -> None:
        """As when Python sets the traits."""
        self.root.evaluate("(root, traits) => root.model.set(traits)", traits)
        self.settle()

    def get(self, name: str):
        return self.root.evaluate("(root, name) => root.model.get(name)", name)

    def numbers(self, table: str) -> dict[tuple[int, ...], float]:
        """What stands in the cells of a table."""
        cells = self.root.locator(f'[data-table="{table}"] [data-place]').evaluate_all(
            "cells => cells.map((cell) => [cell.dataset.place, cell.value ?? cell.textContent])"
        )
        return {
            tuple(map(int, place.split(","))): float(text.replace("−", "-"))
            for place, text in cells
        }

    def marked(self, table: str) -> list[tuple[int, ...]]:
        places = self.root.locator(f'[data-table="{table}"] .mark[data-place]').evaluate_all(
            "cells => cells.map((cell) => cell.dataset.place)"
        )
        return [tuple(map(int, place.split(","))) for place in places]

    def cell(self, table: str, *place: int):
        return self.root.locator(
            f'[data-table="{table}"] [data-place="{",".join(map(str, place))}"]'
        )

    def control(self, name: str):
        return self.root.locator(f'[data-control="{name}"]')

    @property
    def line(self) -> str:
        return self.root.locator(".g3x-line").text_content()

    @property
    def said(self) -> str:
        return self.root.locator(".g3x-said").text_content()

    @property
    def refusal(self) -> str:
        return self.root.locator(".g3x-refusal").text_content()


@pytest.fixture(scope="session")
def visits(browser):
    """The open pages that no test looks at, by width and touch."""
    free = defaultdict(list)
    yield free
    for visit in chain(*free.values()):
        visit.context.close()


@pytest.fixture
def instrument(browser, shown, visits):
    """instrument("GatherExplorer") → that explorable, on a fresh page that has no faults so far."""
    taken = []

    def opened(name: str, width: int = 1200, touch: bool = False) -> Instrument:
        if free := visits[width, touch]:
            visit = free.pop()
            visit.again()
        else:
            visit = Visit(browser, shown, width=width, touch=touch)
        taken.append((visit, (width, touch)))
        return Instrument(visit, name)

    yield opened
    for visit, form in taken:
        visits[form].append(visit)
    assert [fault for visit, _ in taken for fault in visit.faults] == []
