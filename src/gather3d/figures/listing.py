"""The finished form of an operator, shown from the file that runs, so that the two cannot drift."""

import inspect
from collections.abc import Callable

from IPython.display import Markdown


def source(*functions: Callable | type) -> Markdown:
    """The source of functions or classes as they stand in the package, docstrings included.

    Args:
        functions: one or more functions or classes written in Python.

    Returns:
        a code block in Markdown, which notebooks and pages colour with their own theme.

    Raises:
        TypeError: something that has no Python source, such as a built-in function.

    Example:
        >>> print(source(inspect.getmodulename).data.splitlines()[1])
        def getmodulename(path):
    """
    listing = "\n\n".join(inspect.getsource(function).rstrip() for function in functions)
    return Markdown(f"```python\n{listing}\n```")
