"""ScatterExplorer: where do the values go, and what if two meet?"""

from typing import Any

import torch
import traitlets

from ..indexing import scatter_loops
from .shared.explorable import Explorable, front_end
from .shared.tensors import nested, tensor, whole

MOST = 12  # values and slots: what a page has room for

#: What the buttons of the explorer show: values, index, number of slots. The second and the third
#: are sums that float32 rounds to other numbers in the reverse order.
EXAMPLES = {
    "whole": ([3, 5, 2, 4, 6], [2, 0, 2, 3, 2], 5),
    "tenths": ([0.4, 0.1, 0.2, 0.5], [1, 1, 1, 2], 4),
    "1e8": ([1e8, -1e8, 1, 5], [1, 1, 1, 2], 4),
}


class ScatterExplorer(Explorable):
    """Values on their way to the slots that an index names, one write after another.

    out[index[m]] ⊕= values[m]   for m in order, on zeros; ⊕ is replace, sum, mean or amax.

    Args:
        values: what is sent, float32, at most 12 numbers.
        index: the slot of each value; out of range is shown as torch refuses it.
        size: the number of slots.
        reduce: what happens where two meet: "replace" (`scatter`, which promises no order),
            "sum", "mean" or "amax" (`scatter_reduce` with include_self=False).
        order: the order of the writes, as positions in index; those that it leaves out come last.
        written: how many of the writes are done; None for all.
        back: swap source and target: gather what the slots hold, with the same index.

    Attributes:
        slots: what the slots hold after these writes, [size], None where torch refuses.
        reversed: the same for these writes in the reverse order.
        output: `slots`, or what is gathered back from them.
        refusal: torch's own words where it refuses, "" where it does not.

    Raises:
        traitlets.TraitError: a number that is not finite in float32, an index that is not whole,
            more than one dimension, more values or slots than a page has room for.

    Example:
        >>> explorer = ScatterExplorer(values=[1e8, -1e8, 1], index=[0, 0, 0], size=2)
        >>> explorer.reduce = "sum"
        >>> explorer.slots, explorer.reversed
        (tensor([1., 0.]), tensor([0., 0.]))
        >>> explorer.index = [0, 2, 0]
        >>> explorer.refusal
        'index 2 is out of bounds for dimension 0 with size 2'
    """

    _esm = front_end("scatter_explorer.js")

    values = traitlets.List().tag(sync=True)
    index = traitlets.List().tag(sync=True)
    size = traitlets.Int(5, min=0, max=MOST).tag(sync=True)
    reduce = traitlets.Enum(["replace", "sum", "mean", "amax"], "replace").tag(sync=True)
    order = traitlets.List().tag(sync=True)
    written = traitlets.Int(None, allow_none=True, min=0).tag(sync=True)
    back = traitlets.Bool(False).tag(sync=True)
    examples = traitlets.List().tag(sync=True)
    caption = traitlets.Unicode(
        "Three values go to slot 2. Choose what happens there, then *reverse* or *shuffle* the "
        "order of the writes and *play* it: *replace* leaves another value, *sum* leaves the same. "
        "Then take `1e8`, and even the sum depends on the order: float32 rounds after every "
        "addition."
    ).tag(sync=True)
    alt = traitlets.Unicode(
        "A row of values over a row of slot numbers; arrows lead from them to a row of slots. "
        "Slots where several arrows end have a count and a heavy border. A last row shows what the "
        "same writes leave in the reverse order."
    ).tag(sync=True)
    height = traitlets.List([603, 518, 482]).tag(sync=True)

    def __init__(
        self, values: Any = None, index: Any = None, size: int | None = None, **rest: Any
    ) -> None:
        default = EXAMPLES["whole"]
        super().__init__(
            values=default[0] if values is None else nested("values", values),
            index=default[1] if index is None else nested("index", index),
            size=default[2] if size is None else size,
            examples=[[name, *example] for name, example in EXAMPLES.items()],
            **rest,
        )

    @traitlets.validate("values", "index", "order")
    def _row(self, proposal: dict) -> list:
        name = proposal["trait"].name
        value = nested(name, proposal["value"])
        if len(value) > MOST or any(isinstance(item, list) for item in value):
            raise traitlets.TraitError(f"{name}: got {value!r}, wanted one row of at most {MOST}")
        if name != "values":
            return [int(number) for number in whole(name, value)]
        for number in value:
            if not tensor(number, torch.float32).isfinite():
                raise traitlets.TraitError(f"values: got {number!r}, more than float32 holds")
        return value

    @property
    def slots(self) -> torch.Tensor | None:
        return None if self.refusal else self._scattered(self._turns())

    @property
    def reversed(self) -> torch.Tensor | None:
        return None if self.refusal else self._scattered(self._turns()[::-1])

    @property
    def output(self) -> torch.Tensor | None:
        slots = self.slots
        return slots if slots is None or not self.back else slots.gather(0, self._index())

    @property
    def refusal(self) -> str:
        try:
            values = tensor(self.values, torch.float32)
            torch.zeros(self.size).scatter(0, self._index(), values)
        except (RuntimeError, IndexError) as error:
            return str(error)
        return ""

    def _index(self) -> torch.Tensor:
        return tensor(self.index, torch.int64)

    def _turns(self) -> list[int]:
        """The writes that are done, in their order."""
        positions = range(len(self.index))
        turns = dict.fromkeys([*(m for m in self.order if m in positions), *positions])
        return list(turns)[: self.written]

    def _scattered(self, turns: list[int]) -> torch.Tensor:
        index, values = self._index()[turns], tensor(self.values, torch.float32)[turns]
        if self.reduce == "replace":
            return scatter_loops(torch.zeros(self.size), 0, index, values)  # the last one stays
        kept = torch.zeros(self.size)  # torch's own: it rounds after every addition
        return kept.scatter_reduce(0, index, values, self.reduce, include_self=False)
