"""Why an operator or a cell answers differently on a GPU, where that is known.

The ledger shows "unexplained" for what has no reason here. A reason is found by looking, and names
what one can look up; "rounding" alone is none.
"""

OPERATORS: dict[tuple[str, str], str] = {}
"""(operator, kind of the difference: value, gradient or error) → why"""

CELLS: dict[tuple[str, str], str] = {}
"""(notebook, id of the cell) → why"""
