"""GatherExplorer: which input cell does each output cell read?"""

from typing import Any

import torch
import traitlets

from .shared.explorable import Explorable, front_end
from .shared.tensors import nested, tensor, whole

#: What the explorer shows first, for each number of dimensions: input, index, dim. Every input
#: value tells its own address: 100·b + 10·c + n.
START = {
    1: ([10, 20, 30, 40, 50], [3, 0, 0, 4], 0),
    2: ([[0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23]], [[3, 0], [1, 1], [0, 2]], 1),
    3: (
        [[[100 * b + 10 * c + n for n in range(4)] for c in range(3)] for b in range(2)],
        [[[3, 0]], [[1, 1]]],
        2,
    ),
}


class GatherExplorer(Explorable):
    """Input, index and output of `torch.gather` side by side; point at a cell to see what it reads.

    out[i][j] = input[index[i][j]][j] for dim 0, input[i][index[i][j]] for dim 1, and so on.

    Args:
        input: the tensor that is read, one to three dimensions.
        index: which of its cells along `dim`, as many dimensions; out of range is shown as torch
            refuses it.
        dim: the dimension along which the index counts, 0 ≤ dim < number of dimensions.
        expand: repeat the index along dimension 1, as `index.expand(-1, C, -1)` does. Only in three
            dimensions, where an index [B, 1, M] would read channel 0 alone.

    Attributes:
        output: torch's answer for the present state, None where torch refuses.
        refusal: torch's own words where it refuses, "" where it does not.

    Raises:
        traitlets.TraitError: lists that are not rectangular, a number that is not finite, an index
            that is not whole, dimensions that do not fit.

    Example:
        >>> explorer = GatherExplorer(input=[10, 20, 30], index=[2, 0], dim=0)
        >>> explorer.output
        tensor([30., 10.], dtype=torch.float64)
        >>> explorer.index = [2, 5]
        >>> explorer.refusal
        'index 5 is out of bounds for dimension 0 with size 3'
    """

    _esm = front_end("gather_explorer.js")

    input = traitlets.List().tag(sync=True)
    index = traitlets.List().tag(sync=True)
    dim = traitlets.Int(1).tag(sync=True)
    expand = traitlets.Bool(False).tag(sync=True)
    start = traitlets.Dict().tag(sync=True)
    caption = traitlets.Unicode(
        "Point at an output cell, or move to it with the arrow keys: its index cell and the input "
        "cell that it reads light up. Type another index. In 3-D the index has one channel, and "
        "the output too: tick `expand`, and every channel is read."
    ).tag(sync=True)
    alt = traitlets.Unicode(
        "Three tables of numbers: input, index and output of torch.gather. Arrows lead from the "
        "input cell that the chosen output cell reads, by way of its index cell."
    ).tag(sync=True)
    height = traitlets.List([432, 250, 214]).tag(sync=True)

    def __init__(self, input: Any = None, index: Any = None, dim: int | None = None, **rest: Any):
        default = START[2]
        super().__init__(
            input=default[0] if input is None else nested("input", input),
            index=default[1] if index is None else whole("index", nested("index", index)),
            dim=default[2] if dim is None else dim,
            start={str(k): list(v) for k, v in START.items()},
            **rest,
        )

    @traitlets.validate("input", "index")
    def _rectangular(self, proposal: dict) -> list:
        name = proposal["trait"].name
        value = nested(name, proposal["value"])
        return whole(name, value) if name == "index" else value

    @property
    def output(self) -> torch.Tensor | None:
        try:
            return self._gathered()
        except (RuntimeError, IndexError):
            return None

    @property
    def refusal(self) -> str:
        try:
            self._gathered()
        except (RuntimeError, IndexError) as error:
            return str(error)
        return ""

    def _gathered(self) -> torch.Tensor:
        input, index = tensor(self.input), tensor(self.index, torch.int64)
        if self.expand and input.dim() == index.dim() == 3:
            index = index.expand(-1, input.shape[1], -1)
        return torch.gather(input, self.dim, index)
