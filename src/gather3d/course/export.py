"""What the grader asks a student's kernel for: the functions that the student has defined.

Imported when the kernel starts, before any cell of the student's, so that it holds the tools that
it needs itself, whatever a cell puts in their place later.
"""

import base64
import sys

from cloudpickle import dumps
from IPython import get_ipython
from IPython.display import publish_display_data

FUNCTIONS = "application/x-gather3d-functions"
"""The type of the output that carries them: names with pickled functions in base64."""


def export(names: list[str], _dumps=dumps, _encode=base64.b64encode, _show=publish_display_data):
    """Show those of the functions that are defined and can be sent."""
    space, sent = get_ipython().user_ns, {}
    for name in names:
        if callable(space.get(name)):
            try:
                sent[name] = _encode(_dumps(space[name])).decode()
            except Exception as error:  # an object of the student's may refuse in any way
                print(f"{name} cannot be copied: {error}", file=sys.stderr)
    _show({FUNCTIONS: sent, "text/plain": ""})
