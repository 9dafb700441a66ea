"""Every chapter has all that a chapter consists of, and what is taken away is missed."""

import shutil
from pathlib import Path

import pytest

from .parts import missing, parts

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "notebooks", "book", "src/gather3d/widgets", "src/gather3d/exercises",
    "tests/widgets", "tests/exercises/bank",
)  # fmt: skip
CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
# parts that a file does not hold word for word
SPOKEN = {
    "a {term} of the glossary": ["{term}"],
    "a {cite:p} of a reference": ["{cite:p}"],
    "3 predictions": ["predict("],
    "an explorable": ["from gather3d.widgets import"],
    "an exercise that is checked": ["` · "],
}


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_is_whole(name):
    assert missing(ROOT, name) == []


@pytest.mark.parametrize("part", [part for part, _ in parts(ROOT, CHAPTERS[0])])
def test_a_part_that_is_taken_away_is_missed(tmp_path, part):
    name = CHAPTERS[0]
    file, _, words = part.partition(": ")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=unrelated)
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    assert missing(tmp_path, name) == []
    if words:
        text = (tmp_path / file).read_text()
        for spoken in SPOKEN.get(words, [words]):
            assert spoken in text
            text = text.replace(spoken, "")
        (tmp_path / file).write_text(text)
    else:
        (tmp_path / file).unlink()
    assert part in missing(tmp_path, name)


def unrelated(folder: str, names: list[str]) -> set[str]:
    """What a part is never found in: the folders of tools, pictures and fonts."""
    return {name for name in names if name.startswith(("_", ".")) and "." not in name[1:]}
