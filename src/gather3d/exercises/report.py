"""What a check says: for a person as text and as HTML, for a program as attributes."""

import html
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Report:
    """The outcome of `check`.

    Attributes:
        passed: whether the answer is right in every public case.
        diagnosis: a stable word for what is wrong, None where it is not recognised or nothing is.
        words: what is wrong, in a sentence or two; never the solution.
        page: where the book explains it, "01-gather#the-trap", or "".
        case: the smallest call that fails: argument names with their values as text.
        expected, got: what the call should give and what it gave, as text.
        difference: the first element that differs, as text.
        printed: what the answer printed, its beginning.
        picture: where each output comes from, as HTML, where that can be drawn.
    """

    exercise: str
    passed: bool
    diagnosis: str | None = None
    words: str = ""
    page: str = ""
    case: dict[str, str] = field(default_factory=dict)
    expected: str = ""
    got: str = ""
    difference: str = ""
    printed: str = ""
    picture: str = field(default="", repr=False)

    @property
    def _headline(self) -> str:
        if self.passed:
            return f"{self.exercise}: public checks passed"
        return f"{self.exercise}: {'not solved yet' if self.diagnosis == 'unsolved' else 'not yet'}"

    @property
    def _parts(self) -> list[tuple[str, str]]:
        call = "\n".join(f"{name} = {value}" for name, value in self.case.items())
        parts = [
            ("the smallest case that fails", call),
            ("expected", self.expected),
            ("got", self.got),
            ("first difference", self.difference),
            ("printed", self.printed),
        ]
        return [(title, text) for title, text in parts if text]

    def __str__(self) -> str:
        lines = [self._headline, *([self.words] if self.words else [])]
        for title, text in self._parts:
            lines += ["", f"{title}:", *(f"    {line}" for line in text.splitlines())]
        if self.page:
            lines += ["", f"See chapter {self.page}."]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        colour, sign = ("result", "✓") if self.passed else ("wrong", "✗")
        head = f'<p><b style="color:var(--g3-{colour},inherit)">{sign}</b> <b>{self._headline}</b>'
        rows = "".join(
            f"<dt>{html.escape(title)}</dt>"
            f'<dd><pre style="margin:0;white-space:pre-wrap">{html.escape(text)}</pre></dd>'
            for title, text in self._parts
        )
        page = f"<p>See chapter <code>{html.escape(self.page)}</code>.</p>" if self.page else ""
        words = f"<p>{html.escape(self.words)}</p>" if self.words else ""
        text = f"{head}</p>{words}<dl>{rows}</dl>{page}{self.picture}"
        return f'<div class="g3-report" role="status">{text}</div>'
