"""Pictures that a cell draws as images: words for who cannot see them, a ground in the dark."""

import base64
import io

import nbformat
import pytest
from PIL import Image

from .browser import Visit, served
from .small_book import SmallBook

PNG = io.BytesIO()
Image.new("RGBA", (60, 40), (0, 0, 0, 0)).save(PNG, "PNG")
SOURCES = {
    "png": "import base64\nfrom IPython.display import Image\n"
    f"Image(base64.b64decode('{base64.b64encode(PNG.getvalue()).decode()}'), format='png')",
    "svg": "from IPython.display import SVG\n"
    'SVG(\'<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40"></svg>\')',
}


@pytest.fixture
def small(tmp_path):
    return SmallBook(tmp_path)


@pytest.mark.parametrize("kind", SOURCES)
def test_image_needs_words(small, kind):
    small.chapter("1 + 1", SOURCES[kind])
    status, output = small.build()
    assert status != 0, output
    assert "the image that cell 3 draws has no alt text" in output
    assert '{"mystnb": {"image": {"alt":' in output


def test_image_with_words(browser, small):
    """It has them on the page, and what is see-through in it is white in both themes."""
    small.chapter(*SOURCES.values())
    path = small.root / "notebooks" / "01-one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells[1:]:
        cell.metadata["mystnb"] = {"image": {"alt": "Nothing at all."}}
    nbformat.write(notebook, path)
    status, output = small.build()
    assert status == 0, output
    with (
        served(small.root / "_build" / "html") as address,
        Visit(browser, f"{address}/notebooks/01-one.html") as visit,
    ):
        images = visit.page.locator(".cell_output img")
        assert images.count() == 2
        for theme in ("light", "dark"):
            visit.page.evaluate("(t) => { document.documentElement.dataset.theme = t }", theme)
            for image in images.all():
                assert image.get_attribute("alt") == "Nothing at all."
                shown = Image.open(io.BytesIO(image.screenshot())).convert("RGB")
                assert shown.getpixel((shown.width // 2, shown.height // 2)) == (255, 255, 255)
