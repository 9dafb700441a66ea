"""What the grader asks a student's kernel for: the functions that the student has defined.

Imported when the kernel starts, before any cell of the student's, so that it holds the tools that
it needs itself, whatever a cell puts in their place later.
"""

import base64

from cloudpickle import dumps
from IPython import get_ipython
from IPython.display import publish_display_data

FUNCTIONS = "application/x-gather3d-functions"
"""The type of the output that carries them: names with pickled functions in base64."""
REFUSED = "application/x-gather3d-refused"
"""And of those that cannot be sent: names with the reason."""
LONGEST = 16 << 20  # bytes of one function, with what it holds on to


def export(names: list[str], _dumps=dumps, _encode=base64.b64encode, _show=publish_display_data):
    """Show those of the functions that are defined and can be sent."""
    space, sent, refused = get_ipython().user_ns, {}, {}
    for name in names:
        if callable(space.get(name)):
            try:
                data = _dumps(space[name])
                if len(data) > LONGEST:
                    refused[name] = f"it holds on to {len(data) >> 20} MiB of data"
                else:
                    sent[name] = _encode(data).decode()
            except Exception as error:  # an object of the student's may refuse in any way
                refused[name] = f"it holds on to something that cannot be copied: {error}"[:500]
        elif name in space:
            refused[name] = f"it is no function but of type {type(space[name]).__name__}"
    _show({FUNCTIONS: sent, REFUSED: refused, "text/plain": ""})
