"""The colours of the book, once: what each means, and how each is told apart without colour.

The five meanings use Okabe and Ito's values. Diagrams of cells and matplotlib's pictures name them
as CSS variables, so that a page's stylesheet may shift them between its light and its dark form;
plotly's use the values, which read on both.
"""

SOURCE = "#0072B2"
INDEX = "#E69F00"
RESULT = "#009E73"
MISSING = "#999999"
WRONG = "#D55E00"

#: Axes, grids, outlines: the middle grey that reads on white and on black alike.
INK = "#7a7a7a"
GRID = "rgba(128,128,128,0.25)"
GRID_IN_SPACE = "#9a9a9a"  # WebGL draws no half-transparent lines

#: What a colour may stand for. "context" is for whatever the picture is not about.
ROLES = {
    "source": SOURCE,
    "index": INDEX,
    "result": RESULT,
    "missing": MISSING,
    "wrong": WRONG,
    "context": INK,
}

#: The marker of each meaning (names that plotly knows in 2-D and in 3-D).
SYMBOLS = {
    "source": "circle",
    "index": "diamond",
    "result": "square",
    "missing": "circle-open",
    "wrong": "cross",
    "context": "circle",
}

#: The line of each meaning.
DASHES = {
    "source": "solid",
    "index": "solid",
    "result": "solid",
    "missing": "dot",
    "wrong": "dash",
    "context": "solid",
}

#: The scale of a measured value. Like viridis it grows lighter from violet to yellow, but neither
#: end is lost on a page that is dark, or white.
SCALE = ["#6b4fb5", "#3f7fc8", "#1fa08c", "#72c05a", "#e3b90f"]


def colour(role: str) -> str:
    """The colour of a meaning.

    Args:
        role: "source", "index", "result", "missing", "wrong" or "context".

    Raises:
        ValueError: there is no such role.

    Example:
        >>> colour("index")
        '#E69F00'
    """
    if role not in ROLES:
        raise ValueError(f"role: got {role!r}, wanted one of {', '.join(map(repr, ROLES))}")
    return ROLES[role]


def css(role: str) -> str:
    """The colour of a meaning as a CSS variable, with the value to fall back on.

    Example:
        >>> css("source")
        'var(--g3-source, #0072B2)'
    """
    return f"var(--g3-{role}, {colour(role)})"
