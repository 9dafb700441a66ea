"""MatrixExplorer: which sparse matrix is this operation, and what is its transpose?"""

from collections.abc import Callable
from typing import Any

import torch
import traitlets
from torch import Tensor

from ..indexing import gather_points, sources
from ..sampling import trilinear_sample
from .shared.explorable import Explorable, front_end
from .shared.tensors import nested, shape_of, tensor, whole

MOST = 8  # rows and columns: what a page has room for

#: What the explorer shows first of each operation. Where the index decides, it repeats 0.
START = {
    "gather": {"x": [10, 20, 30, 40, 50, 60], "gradient": [1, 2, 3, 4], "index": [3, 0, 0, 5]},
    "scatter-add": {"x": [10, 20, 30, 40], "gradient": [1, 2, 3, 4, 5, 6], "index": [3, 0, 0, 5]},
    "trilinear": {"x": [0, 10, 20, 30, 40, 50, 60, 70], "gradient": [1, 2, 3]},
    "convolution": {"x": [10, 20, 30, 40, 50, 60], "gradient": [0, 1, 0, 0, 2, 0]},
}


class MatrixExplorer(Explorable):
    """The sparse matrix S of an operation between the vector x and the result S·x.

    out[o] = Σᵢ S[o, i] · x[i];  transposed, x.grad[i] = Σₒ S[o, i] · gradient[o]

    Args:
        operation: "gather": out[o] = x[index[o]]; "scatter-add": out[index[i]] += x[i];
            "trilinear": out[o] = x, the eight corners of a cell, at positions[o];
            "convolution": out[o] = Σₖ taps[k] · x[o + offsets[k]], 0 outside.
        x: what is read, one number for each column of S.
        gradient: what comes back, one number for each row of S.
        index: which inputs gather reads, which outputs scatter-add writes.
        size: how many inputs gather and convolution have, how many outputs scatter-add has
            (6, if neither it nor x is given).
        positions: rows of (z, y, x) in voxels; corner 0 is (0, 0, 0), corner 7 is (1, 1, 1).
        offsets: where three taps read, counted from the output.
        taps: their weights.
        transposed: show Sᵀ, the gradient and Sᵀ · gradient, which is the backward.

    Attributes:
        matrix: S [outputs, inputs], found by `gather3d.indexing.sources`; None where refused.
        output: S·x by the operation itself, or, transposed, x's gradient by autograd; None where
            refused.
        refusal: why there is none, in torch's own words where it is torch that refuses.

    Raises:
        traitlets.TraitError: lists that are not rectangular, a number that is not finite, an index
            or an offset that is not whole, shapes that do not fit, more than a page has room for.

    Example:
        >>> explorer = MatrixExplorer("gather", x=[10, 20], gradient=[1, 2, 4], index=[1, 0, 0])
        >>> explorer.matrix
        tensor([[0., 1.],
                [1., 0.],
                [1., 0.]], dtype=torch.float64)
        >>> explorer.transposed = True
        >>> explorer.output
        tensor([6., 1.], dtype=torch.float64)
    """

    _esm = front_end("matrix_explorer.js")

    operation = traitlets.Enum(list(START), "gather").tag(sync=True)
    x = traitlets.List().tag(sync=True)
    gradient = traitlets.List().tag(sync=True)
    index = traitlets.List(START["gather"]["index"]).tag(sync=True)
    size = traitlets.Int(6, min=1, max=MOST).tag(sync=True)
    positions = traitlets.List([[0.5, 0.5, 0.5], [0, 0.25, 1], [0.5, 1, 0]]).tag(sync=True)
    offsets = traitlets.List([-1, 0, 1]).tag(sync=True)
    taps = traitlets.List([1, 2, 4]).tag(sync=True)
    transposed = traitlets.Bool(False).tag(sync=True)
    start = traitlets.Dict(START).tag(sync=True)
    caption = traitlets.Unicode(
        "Point at a row: it lights up what this output reads. Point at an input: its column says "
        "who reads it. Then `transpose`: rows and columns change places, gather turns into "
        "scatter-add, and the picture is the backward. Only the entries change with the operation; "
        "the rule, a row times a vector, does not."
    ).tag(sync=True)
    alt = traitlets.Unicode(
        "A table of numbers, mostly zeros: a row for each output, a column for each input. Above "
        "it stands the vector x, to its right the result, to its left the index that made it."
    ).tag(sync=True)
    height = traitlets.List([411, 392, 356]).tag(sync=True)

    def __init__(
        self, operation: str = "gather", x: Any = None, gradient: Any = None, **rest: Any
    ) -> None:
        if x is not None and operation in ("gather", "convolution"):
            rest.setdefault("size", len(x))
        super().__init__(operation=operation, **rest)
        self._begin(x, gradient)
        self.observe(lambda _: self._begin(self.x, self.gradient, keep=False), "operation")

    def _begin(self, x: Any, gradient: Any, keep: bool = True) -> None:
        """Take these vectors; where there is none (or it does not fit), the operation's own."""
        matrix = self.matrix
        for name, given, axis in (("x", x, 1), ("gradient", gradient, 0)):
            own = START[self.operation][name]
            wanted = len(own) if matrix is None else matrix.shape[axis]
            if given is None or not (keep or len(given) == wanted):
                given = own if len(own) == wanted else [*range(1, wanted + 1)]
            self.set_trait(name, given)

    @traitlets.validate("x", "gradient", "index", "positions", "offsets", "taps")
    def _fits(self, proposal: dict) -> list:
        name = proposal["trait"].name
        value = nested(name, proposal["value"])
        shape = shape_of(name, value)
        wanted = {"positions": "rows of (z, y, x)", "offsets": "three", "taps": "three"}
        fits = {
            "positions": len(shape) == 2 and shape[1:] == (3,),
            "offsets": shape == (3,),
            "taps": shape == (3,),
        }.get(name, len(shape) == 1)
        if not fits or shape[0] > MOST:
            words = wanted.get(name, "one row")
            raise traitlets.TraitError(
                f"{name}: got shape {list(shape)}, wanted {words}, {MOST} at most"
            )
        return whole(name, value) if name in ("index", "offsets") else value

    @property
    def function(self) -> Callable[[Tensor], Tensor]:
        """The operation as a function of x, made of torch and the book's operators."""
        index = tensor(self.index, torch.int64)
        positions = tensor(self.positions).reshape(1, -1, 3)

        def convolution(x: Tensor) -> Tensor:
            out = torch.zeros_like(x)
            for offset, tap in zip(self.offsets, self.taps, strict=True):
                read = torch.arange(len(x)) + offset
                read = read.where((read >= 0) & (read < len(x)), -1)  # outside counts as missing
                out = out + tap * gather_points(x[None, None], read[None])[0, 0]
            return out

        return {
            "gather": lambda x: x.gather(0, index),
            "scatter-add": lambda x: x.new_zeros(self.size).scatter_add(0, index, x),
            "trilinear": lambda x: trilinear_sample(x.reshape(1, 1, 2, 2, 2), positions)[0, 0],
            "convolution": convolution,
        }[self.operation]

    @property
    def matrix(self) -> Tensor | None:
        try:
            return self._matrix()
        except (RuntimeError, IndexError):
            return None

    @property
    def output(self) -> Tensor | None:
        if self.refusal:
            return None
        if not self.transposed:
            return self.function(tensor(self.x))
        x = torch.zeros(self._inputs(), dtype=torch.float64, requires_grad=True)
        out = self.function(x)  # linear, so its gradient is the same at every x
        (grad,) = torch.autograd.grad(out, x, tensor(self.gradient), materialize_grads=True)
        return grad

    @property
    def refusal(self) -> str:
        try:
            rows, columns = self._matrix().shape
        except (RuntimeError, IndexError) as error:
            return str(error)
        name, wanted = ("gradient", rows) if self.transposed else ("x", columns)
        got = len(getattr(self, name))
        return "" if got == wanted else f"{name}: got {got} numbers, wanted {wanted}"

    def _inputs(self) -> int:
        return {"scatter-add": len(self.index), "trilinear": 8}.get(self.operation, self.size)

    def _matrix(self) -> Tensor:
        return sources(self.function, [self._inputs()]).matrix.to_dense()
