"""Gather and scatter: as loops, for point features, as flat indices, and as a sparse matrix.

Every operation here is a sparse matrix: `gather` selects (one 1 per row), `scatter_add` is its
transpose, and so each is the other's backward. `sources` shows the matrix of any linear function.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Complex, Real
from typing import Literal

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from .refusals import (
    check_cells,
    check_inside,
    check_one_of,
    check_range,
    check_same_dtype,
    check_shapes,
    check_whole,
    has_values,
)
from .sources.asking import Asked
from .sources.linear import Rounding, as_complex, find_matrix
from .sources.words import all_near, words
from .sums import add_up, carrier, extreme, pick, summed, wide

Reduce = Literal["sum", "mean", "amax", "amin"]

BLOCK = 1 << 20  # positions, of 8 bytes each, that are held at once


def gather_loops(
    input: Shaped[Tensor, "*in"], dim: int, index: Int[Tensor, "*out"]
) -> Shaped[Tensor, "*out"]:
    """`torch.gather` as the loop that defines it, for any number of dimensions.

    out[i][j][k] = input[i][index[i][j][k]][k]   for dim = 1 of 3; likewise for the others.

    Args:
        input: the values to read.
        dim: the one dimension in which the index chooses; negative counts from the end.
        index: as many dimensions as input; in every other dimension at most input's size.

    Raises:
        ValueError: the numbers of dimensions differ, or index is larger than input elsewhere.
        IndexError: dim or an index is out of range (negative indices are).
        TypeError: index is not int64 or int32.

    Example:
        >>> gather_loops(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[1, 1], [0, 1]]))
        tensor([[2, 2],
                [3, 4]])

    The definition in the documentation of `torch.gather`.

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 indices. Deterministic on
    the CPU and on CUDA. Not for `torch.compile(fullgraph=True)` or `torch.export`: it is a loop
    over Python numbers; `torch.func.vmap` maps over input, not over index, whose values it takes
    one by one.
    """
    check_shapes(input=(input, "*in"), index=(index, "*out"))
    dim = _check_along(input, dim, index)
    out = input.new_empty(index.shape)
    for position in product(*map(range, index.shape)):
        source = list(position)
        source[dim] = int(index[position])
        out[position] = input[tuple(source)]
    return out


def scatter_loops(
    input: Shaped[Tensor, "*in"],
    dim: int,
    index: Int[Tensor, "*out"],
    src: Shaped[Tensor, "*src"],
    reduce: Literal["sum", "prod", "mean", "amax", "amin"] | None = None,
    include_self: bool = True,
) -> Shaped[Tensor, "*in"]:
    """`torch.scatter` and `torch.scatter_reduce` as the loop that defines them.

    out = input;  out[i][index[i][j][k]][k] ⊕= src[i][j][k]   for dim = 1 of 3; likewise elsewhere.

    Args:
        input: what the result starts from; it is not changed.
        dim: the one dimension in which the index chooses the slot.
        index: as many dimensions as input; in every other dimension at most input's size.
        src: the values to send; at least as large as index in every dimension.
        reduce: None replaces, and where two values meet the last one in row-major order stays
            (torch promises no such order); otherwise the values that meet are combined. Their
            sum is rounded once, and a mean of whole numbers rounds down, as torch's does.
        include_self: with a reduce, whether input's own value takes part.

    Raises:
        ValueError: shapes that do not fit, or an unknown reduce.
        IndexError: dim or an index is out of range (negative indices are).
        TypeError: index is not int64 or int32, src has not input's dtype, or complex numbers are
            to be ordered.

    Example:
        >>> index, src = torch.tensor([0, 2, 0]), torch.tensor([1., 2., 3.])
        >>> scatter_loops(torch.zeros(3), 0, index, src, "sum")
        tensor([4., 0., 2.])

    The definition in the documentation of `torch.Tensor.scatter_` and `scatter_reduce_`.

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 indices. Deterministic on
    the CPU and on CUDA. Not for `torch.compile(fullgraph=True)` or `torch.export`: it is a loop
    over Python numbers; `torch.func.vmap` maps over input, not over index and src, whose values it
    takes one by one.
    """
    check_shapes(input=(input, "*in"), index=(index, "*out"), src=(src, "*src"))
    dim = _check_along(input, dim, index)
    if src.ndim != index.ndim or any(s < i for s, i in zip(src.shape, index.shape, strict=True)):
        raise ValueError(f"src: got shape {list(src.shape)}, wanted at least {list(index.shape)}")
    check_same_dtype(input=input, src=src)
    check_one_of("reduce", reduce, (None, "sum", "prod", "mean", "amax", "amin"))
    _check_reducible("src", src, reduce, whole_means=True)
    rounding = "floor" if wide(input) == torch.int64 else None
    met: dict[tuple[int, ...], list[Tensor]] = {}
    for position in product(*map(range, index.shape)):
        slot = list(position)
        slot[dim] = int(index[position])
        met.setdefault(tuple(slot), []).append(src[position])
    combine = {
        None: lambda values: values[-1],
        "sum": lambda values: torch.stack(values).to(wide(input)).sum(0),
        "prod": lambda values: torch.stack(values).prod(0),
        "mean": lambda values: (
            torch.stack(values).to(wide(input)).sum(0).div(len(values), rounding_mode=rounding)
        ),
        "amax": lambda values: torch.stack(values).amax(0),
        "amin": lambda values: torch.stack(values).amin(0),
    }[reduce]
    out = input.clone(memory_format=torch.contiguous_format)
    for slot, values in met.items():
        own = [input[slot]] if reduce is not None and include_self else []
        out[slot] = combine(own + values).to(out.dtype)
    return out


def gather_points(
    features: Shaped[Tensor, "B C N"], index: Int[Tensor, "B *S"], fill: complex = 0.0
) -> Shaped[Tensor, "B C *S"]:
    """Pick point features by index, the same points in every channel.

    out[b, c, s] = features[b, c, index[b, s]], or `fill` where index[b, s] is -1.

    Args:
        features: one column of C values for each of N points, in any dtype.
        index: which points to pick; -1 marks a missing neighbour.
        fill: value (and zero gradient) for a missing neighbour.

    The gradients of a point that is picked several times are summed in float64 and rounded once.

    Raises:
        ValueError: the shapes do not fit, the tensors are on different devices, or the dtype of
            features cannot hold fill.
        IndexError: an index is below -1 or at least N.
        TypeError: index is not int64 or int32, or fill is not a number of the features' kind.

    Example:
        >>> gather_points(torch.tensor([[[10., 20., 30.]]]), torch.tensor([[2, -1]]))
        tensor([[[30.,  0.]]])

    PyTorch3D's `knn_gather` and PointNet++'s `group_points`, with channels first.

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 indices. Deterministic on
    the CPU; on CUDA, gradients that meet are added in any order, unless
    `torch.use_deterministic_algorithms` is on. `torch.compile(fullgraph=True)` and `torch.export`
    take it; `torch.func.vmap` maps over features, not over index, whose values it checks.
    """
    size = check_shapes(features=(features, "B C N"), index=(index, "B *S"))
    B, C, N, S = size["B"], size["C"], size["N"], size["S"]
    _check_fill("fill", fill, features.dtype)
    least = check_range("index", index, -1, N)
    flat = index.reshape(B, math.prod(S))  # shared by the channels
    return pick(features, flat, fill, least).reshape(B, C, *S)


def scatter_points(
    values: Shaped[Tensor, "B C *S"], index: Int[Tensor, "B *S"], size: int, reduce: Reduce = "sum"
) -> Shaped[Tensor, "B C {size}"]:
    """Send point features to slots, the same in every channel: the adjoint of `gather_points`.

    out[b, c, n] = reduce of values[b, c, s] over all s with index[b, s] = n; 0 where there is none.

    Args:
        values: what to send.
        index: the slot of each value; -1 is skipped.
        size: the number of slots.
        reduce: "sum", "mean", "amax" or "amin" of the values that meet in a slot.

    Sums and means are kept in float64 and rounded once, to the dtype of values: no half type
    overflows on the way, and a mean lies among what it is the mean of. Whole numbers and bools are
    summed in int64, as `torch.sum` does; their amax and amin keep their dtype. Values that tie in
    amax or amin share its gradient, as in `torch.amax`.

    Raises:
        ValueError: the shapes do not fit, the devices differ, size is negative, reduce is unknown.
        IndexError: an index is below -1 or at least size.
        TypeError: index is not int64 or int32; the mean is asked of whole numbers or bools, which
            cannot hold it, or an order of complex numbers.

    Example:
        >>> scatter_points(torch.tensor([[[1., 2., 4.]]]), torch.tensor([[0, 2, 0]]), size=3)
        tensor([[[5., 0., 2.]]])

    torch_scatter's `scatter`; PyTorch Geometric's aggregation.

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 indices. Deterministic on
    the CPU; on CUDA, values that meet are added in any order, unless
    `torch.use_deterministic_algorithms` is on. `torch.compile(fullgraph=True)` and `torch.export`
    take it; `torch.func.vmap` maps over values, not over index, whose values it checks.
    """
    sizes = check_shapes(values=(values, "B C *S"), index=(index, "B *S"))
    size = check_whole("size", size, 0)
    check_one_of("reduce", reduce, ("sum", "mean", "amax", "amin"))
    _check_reducible("values", values, reduce)
    least = check_range("index", index, -1, size)
    B, C, S = sizes["B"], sizes["C"], math.prod(sizes["S"])
    values, index = values.reshape(B, C, S), index.reshape(B, S)
    if reduce in ("amax", "amin"):
        return extreme(values, index, size, least, reduce)
    return add_up(values, index, size, least, mean=reduce == "mean")


def scatter_argmax(
    values: Shaped[Tensor, "B C *S"], index: Int[Tensor, "B *S"], size: int
) -> Int[Tensor, "B C {size}"]:
    """Which value is the greatest of those that meet in a slot: the argument of `scatter_points`'s
    "amax".

    out[b, c, n] = the first s with index[b, s] = n and values[b, c, s] = the amax of slot n;
    -1 where nothing is sent

    So gathering values by it gives the amax, with a gradient for the winner alone. NaN is greater
    than any number, as in `torch.max`.

    Args:
        values: what competes.
        index: the slot of each value; -1 is skipped.
        size: the number of slots.

    Returns:
        int64 positions in S; in row-major order, where it has several dimensions.

    Raises:
        ValueError: the shapes do not fit, the devices differ, size is negative.
        IndexError: an index is below -1 or at least size.
        TypeError: index is not int64 or int32, or values are complex.

    Example:
        >>> scatter_argmax(torch.tensor([[[1., 2., 4.]]]), torch.tensor([[0, 2, 0]]), size=3)
        tensor([[[ 2, -1,  1]]])

    The second result of torch_scatter's `scatter_max`.

    Runs in float16, bfloat16, float32 and float64, with int32 or int64 indices. Deterministic on
    the CPU and on CUDA. `torch.compile(fullgraph=True)` and `torch.export` take it;
    `torch.func.vmap` maps over values, not over index, whose values it checks.
    """
    sizes = check_shapes(values=(values, "B C *S"), index=(index, "B *S"))
    size = check_whole("size", size, 0)
    _check_reducible("values", values, "amax")
    least = check_range("index", index, -1, size)
    B, C, S = sizes["B"], sizes["C"], math.prod(sizes["S"])
    values, index = values.detach().reshape(B, C, S), index.reshape(B, S)
    if torch.compiler.is_compiling():
        return _first(values, index, size, least)
    few = max(BLOCK // max(B * S, 1), torch.get_num_threads() // max(B, 1), 1)
    return torch.cat([_first(some, index, size, least) for some in values.split(few, 1)], 1)


def invert_permutation(p: Int[Tensor, "*B N"]) -> Int[Tensor, "*B N"]:
    """Where each number stands in a permutation: the order that undoes it.

    out[p[n]] = n, for each batch element: a scatter of 0, 1, 2 …

    Args:
        p: each of 0 … N - 1 once, along the last dimension.

    Returns:
        int64, whichever dtype p has: it is an index.

    Raises:
        ValueError: p has no dimension, or a number stands in it twice.
        IndexError: a number is below 0 or at least N.
        TypeError: p is not int64 or int32.

    Example:
        >>> invert_permutation(torch.tensor([2, 0, 1]))
        tensor([1, 2, 0])

    numpy's `argsort` of a permutation, without a sort; how Point Transformer v3 undoes its orders.

    Runs with int32 or int64 numbers. Deterministic on the CPU and on CUDA.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` does not map over
    p, whose values it checks.
    """
    N = check_shapes(p=(p, "*B N"))["N"]
    check_range("p", p, 0, N)
    position = torch.arange(N, device=p.device).expand(p.shape)
    out = position.new_full(p.shape, -1).scatter_(-1, p.long(), position)
    if has_values(p) and (out < 0).any():
        row = p[(out < 0).any(-1)][0].sort().values
        twice = int(row[1:][row[1:] == row[:-1]][0])
        raise ValueError(f"p: got {twice} twice, wanted each of 0 … {N - 1} once")
    return out


def ravel_index(coords: Int[Tensor, "*S k"], shape: Sequence[int]) -> Int[Tensor, "*S"]:
    """One flat index for k coordinates; the last coordinate is the fastest in memory.

    out = ((c₀·n₁ + c₁)·n₂ + c₂)·n₃ + c₃ …   in int64, for shape (n₀, n₁, n₂, n₃ …)

    Args:
        coords: whole numbers, one column for each size in shape; for voxels (b, z, y, x).
        shape: the sizes; for voxels (B, D, H, W).

    Raises:
        ValueError: k is not len(shape), or the sizes multiply to more than int64 can hold.
        IndexError: a coordinate is out of range; nothing wraps.
        TypeError: coords is not int64 or int32.

    Example:
        >>> ravel_index(torch.tensor([[1, 0, 2]]), (2, 3, 4))
        tensor([14])

    numpy's `ravel_multi_index` in C order, as OpenPCDet and MinkowskiEngine key their voxels.

    Runs with int32 or int64 coordinates. Deterministic on the CPU and on CUDA.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` does not map over
    coords, whose values it checks.
    """
    shape = _check_grid(shape)
    check_shapes(coords=(coords, f"*S {len(shape)}"))
    check_inside("coords", coords, shape)
    flat = coords.new_zeros(coords.shape[:-1], dtype=torch.int64)
    for axis, size in enumerate(shape):
        flat = flat * size + coords[..., axis]
    return flat


def unravel_index(flat: Int[Tensor, "*S"], shape: Sequence[int]) -> Int[Tensor, "*S k"]:
    """The k coordinates of a flat index: the inverse of `ravel_index`.

    out[..., k-1] = flat mod n_{k-1};  out[..., k-2] = (flat div n_{k-1}) mod n_{k-2};  …

    Args:
        flat: flat indices, 0 … prod(shape) - 1.
        shape: the sizes; for voxels (B, D, H, W).

    Raises:
        ValueError: the sizes multiply to more than int64 can hold.
        IndexError: a flat index is out of range.
        TypeError: flat is not int64 or int32.

    Example:
        >>> unravel_index(torch.tensor([14]), (2, 3, 4))
        tensor([[1, 0, 2]])

    numpy's `unravel_index` in C order.

    Runs with int32 or int64 indices. Deterministic on the CPU and on CUDA.
    `torch.compile(fullgraph=True)` and `torch.export` take it; `torch.func.vmap` does not map over
    flat, whose values it checks.
    """
    shape = _check_grid(shape)
    check_shapes(flat=(flat, "*S"))
    check_range("flat", flat, 0, math.prod(shape))
    rest, columns = flat.long(), []
    for size in reversed(shape[1:]):
        above = rest // max(size, 1)  # a size of 0 leaves nothing to divide
        columns.append(rest - above * size)  # the remainder, without a second division
        rest = above
    columns = [*columns, rest][: len(shape)]  # what is left is c₀
    return torch.stack(columns[::-1], -1) if columns else rest.new_empty(*flat.shape, 0)


@dataclass(frozen=True)
class Counts:
    """What a linear function does, in numbers.

    Attributes:
        kind: "permutation" (every input goes to one output), "selection" (each output is one
            input or 0), "average" (weights not below 0 that sum to 1 for each output that reads),
            "weights" (any other), or "nothing" (no output reads).
        reads: how many inputs the outputs read, counted output by output.
        distinct: how many inputs are read at all.
        repeated: how many inputs are read more than once.
        most: how often the input that is read most often is read.
        never: how many inputs are never read.
        empty: how many outputs read nothing, and so are 0.
        asked_bytes: bytes of all reads.
        useful_bytes: bytes of the inputs that are read.
        lines: cache lines that hold them.
        moved_bytes: bytes of these lines.
    """

    kind: str
    reads: int
    distinct: int
    repeated: int
    most: int
    never: int
    empty: int
    asked_bytes: int
    useful_bytes: int
    lines: int
    moved_bytes: int


@dataclass(frozen=True)
class Sources:
    """The linear map behind a function: which inputs each output reads, and with what weight.

    Attributes:
        matrix: sparse COO, float64 (complex128 where the function gives complex numbers),
            [outputs, inputs], both flattened in row-major order.
        input_shape: the shape that the function took.
        output_shape: the shape that it gave.
        precision: how far a weight may be from the true one, as a share of it.
    """

    matrix: Tensor
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    precision: float = 1e-6

    def reads(self) -> Int[Tensor, "*in"]:
        """How many outputs read each input.

        reads[i] = number of outputs o with matrix[o, i] ≠ 0, in the shape of the input

        Example:
            >>> sources(lambda x: x[torch.tensor([2, 0, 2])], [4]).reads()
            tensor([1, 0, 2, 0])
        """
        times = self.matrix.indices()[1].bincount(minlength=self.matrix.shape[1])
        return times.reshape(self.input_shape)

    def counts(self, dtype: torch.dtype = torch.float32, line: int = 64) -> Counts:
        """Reads, duplicates, what nobody reads, and the memory that must move.

        An input at flat position i has the bytes i · itemsize … (i + 1) · itemsize - 1, as in a
        contiguous tensor that begins with a cache line; one read byte moves its whole line.

        Args:
            dtype: of the input's elements in memory.
            line: bytes of a cache line; a whole number of elements.

        Raises:
            ValueError: no whole number of elements fits in a line.

        Example:
            >>> column = sources(lambda x: x[:, 0], [4, 16]).counts()
            >>> column.distinct, column.never, column.useful_bytes, column.moved_bytes
            (4, 60, 16, 256)
        """
        size = dtype.itemsize
        if check_whole("line", line, 1) % size:
            raise ValueError(f"line: got {line}, wanted a multiple of {size}, the bytes of {dtype}")
        times = self.reads().flatten()
        read = times.nonzero()[:, 0]
        lines = torch.unique_consecutive(read // (line // size)).numel()
        reading = self.matrix.indices()[0].bincount(minlength=self.matrix.shape[0])
        return Counts(
            kind=_kind(self.matrix, reading, times, self.precision),
            reads=int(times.sum()),
            distinct=len(read),
            repeated=int((times > 1).sum()),
            most=int(times.max()) if len(times) else 0,
            never=int((times == 0).sum()),
            empty=int((reading == 0).sum()),
            asked_bytes=size * int(times.sum()),
            useful_bytes=size * len(read),
            lines=lines,
            moved_bytes=line * lines,
        )

    def describe(self, names: Sequence[str] | None = None) -> str:
        """What the function does, in words: the pattern of its reads, where one is found, and
        how many inputs and outputs go without.

        Args:
            names: a word for each dimension of the input, such as ("cloud", "channel", "point").
                Without it one dimension has elements, two have rows and columns, and more of
                them numbers.

        Raises:
            ValueError: names is not one word for each dimension.

        Example:
            >>> print(sources(lambda x: x[:, 0], [4, 4]).describe())
            reads column 0 of every row; 12 of 16 inputs are never read
        """
        if names is not None and len(names) != len(self.input_shape):
            raise ValueError(f"names: got {names!r}, wanted a word for each of {self.input_shape}")
        return words(self.matrix, self.input_shape, self.output_shape, names, self.precision)

    def differs(self, other: "Sources") -> Bool[Tensor, "*out"]:
        """Which outputs read other inputs, or with other weights, than the same outputs of `other`.

        An output that `other` does not have differs; with another number of dimensions, all do.

        Raises:
            ValueError: the two take inputs of different shapes.

        Example:
            >>> sources(lambda x: x.roll(1), [3]).differs(sources(lambda x: x.flip(0), [3]))
            tensor([False,  True,  True])
        """
        if self.input_shape != other.input_shape:
            raise ValueError(
                f"other: got input shape {list(other.input_shape)}, wanted {list(self.input_shape)}"
            )
        different = torch.ones(self.output_shape, dtype=torch.bool, device=self.matrix.device)
        if len(self.output_shape) == len(other.output_shape):
            both = tuple(map(min, self.output_shape, other.output_shape))
            corner = tuple(map(slice, both))
            dtype = torch.promote_types(self.matrix.dtype, other.matrix.dtype)
            left, right = (_rows(map_, corner).to(dtype) for map_ in (self, other))
            off, most = (left - right).coalesce(), _largest(left).maximum(_largest(right))
            row, share = off.indices()[0], max(self.precision, other.precision)
            same = torch.ones_like(most, dtype=torch.bool)
            same[row[off.values().abs() > share * most[row]]] = False
            different[corner] = ~same.reshape(both)
        return different


def sources(fn: Callable[[Tensor], Tensor], shape: Sequence[int]) -> Sources:
    """The sparse matrix of a linear function of one tensor, found by asking the function.

    matrix[o, i] = weight of input i in output o, so that fn(x).flatten() = matrix @ x.flatten()

    A function that only selects is recognised from its answer to 1, 2, 3 …; one whose outputs read
    few of many inputs, from some hundred calls on groups of inputs; any other is called once for
    each input element (twice if it computes in bfloat16 or float16). The answer is then tried on
    random inputs. Weights are as exact as the dtype in which fn computes, also by itself or under
    autocast; what is rounding error (10⁻¹² of an output's largest weight, or 10⁻⁶ in float32) is
    left out.

    Args:
        fn: takes a float64 tensor (or float32, bfloat16 or float16, the first that it does not
            refuse) of the given shape, and returns a tensor of floating-point or complex numbers;
            need not be differentiable. The input is on the CPU, and while fn runs that is the
            default device.
        shape: the shape of fn's input.

    Raises:
        ValueError: fn is not linear (a constant added, a product or a maximum of inputs, …) or
            gives two answers to one question, or its matrix has more than ten million weights.
        TypeError: fn does not return a tensor of such numbers, or takes none of these dtypes.

    Example:
        >>> sources(lambda x: x.flip(0), [3]).matrix.to_dense()
        tensor([[0., 0., 1.],
                [0., 1., 0.],
                [1., 0., 0.]], dtype=torch.float64)
    """
    shape = _check_grid(shape)
    ask = Asked(fn, shape)
    rounding = Rounding.of(ask.dtype)
    matrix = find_matrix(ask, math.prod(shape), ask.dtype)
    if matrix is None:
        few = f" to the digits of {ask.dtype}, in which it computes" if rounding.coarse else ""
        raise ValueError(f"fn: got what no matrix gives{few}, wanted a linear function")
    matrix = as_complex(matrix) if ask.complex else matrix
    return Sources(matrix, shape, ask.output_shape, max(1e-6, rounding.weight))


def _kind(matrix: Tensor, reading: Tensor, times: Tensor, precision: float) -> str:
    """In a word: what a matrix does, whose rows and columns have so many weights."""
    weights = matrix.values()
    if len(weights) == 0:
        return "nothing"
    if all_near(weights, 1, precision) and (reading <= 1).all():
        whole = (reading == 1).all() and (times == 1).all()
        return "permutation" if whole else "selection"
    sums = weights.new_zeros(len(reading)).index_add(0, matrix.indices()[0], weights)
    if weights.is_complex() or not (weights >= 0).all():
        return "weights"
    return "average" if all_near(sums[reading > 0], 1, precision) else "weights"


def _rows(map_: Sources, corner: tuple[slice, ...]) -> Tensor:
    """The matrix of the outputs in one corner of all the outputs."""
    number = torch.arange(map_.matrix.shape[0], device=map_.matrix.device)
    number = number.reshape(map_.output_shape)[corner].flatten()
    return map_.matrix.index_select(0, number).coalesce()


def _largest(matrix: Tensor) -> Tensor:
    """The size of the largest weight in each row."""
    row, weights = matrix.indices()[0], matrix.values().abs()
    return weights.new_zeros(matrix.shape[0]).scatter_reduce(0, row, weights, "amax")


def _check_along(input: Tensor, dim: int, index: Tensor) -> int:
    """What gather and scatter ask of input, dim and index; gives dim counted from the front."""
    if index.ndim != input.ndim:
        raise ValueError(f"index: got {index.ndim} dimensions, wanted {input.ndim}, as input has")
    if not -input.ndim <= check_whole("dim", dim) < input.ndim:
        raise IndexError(f"dim: got {dim}, wanted {-input.ndim} … {input.ndim - 1}")
    dim %= input.ndim
    for other in range(input.ndim):
        if other != dim and index.shape[other] > input.shape[other]:
            raise ValueError(
                f"index: got shape {list(index.shape)}, wanted at most {input.shape[other]} "
                f"in dimension {other}, as input {list(input.shape)} has"
            )
    check_range("index", index, 0, input.shape[dim])
    return dim


def _first(values: Tensor, index: Tensor, size: int, least: int) -> Tensor:
    """[B, C, size]: the first position of the greatest value of each slot, or -1."""
    values, S = values.to(carrier(values.dtype)), values.shape[2]
    most = pick(extreme(values, index, size, least, "amax"), index, 0, least)
    won = (values == most) | (values != values)  # NaN is not equal to itself, and greatest
    before = torch.arange(-S, 0, device=values.device).where(won, 0)  # below 0 for those that won
    first = extreme(before, index, size, least, "amin")
    return (first + S).where(first < 0, -1)


def _check_fill(name: str, fill: object, dtype: torch.dtype) -> None:
    """Refuse what would become another number in this dtype, but for a float's rounding."""
    wanted = f"wanted a number that {dtype} holds"
    if not isinstance(fill, Complex) or (isinstance(fill, bool) and dtype != torch.bool):
        raise TypeError(f"{name}: got {fill!r}, {wanted}")
    if dtype.is_complex:
        return
    if not isinstance(fill, Real):
        raise TypeError(f"{name}: got {fill!r}, {wanted}")
    if dtype.is_floating_point:
        held = not math.isfinite(fill) or abs(fill) <= torch.finfo(dtype).max
    elif dtype == torch.bool:
        held = fill in (0, 1)
    else:
        ends = torch.iinfo(dtype)
        held = math.isfinite(fill) and fill == int(fill) and ends.min <= fill <= ends.max
    if not held:
        raise ValueError(f"{name}: got {fill!r}, {wanted}")


def _check_reducible(
    name: str, tensor: Tensor, reduce: str | None, whole_means: bool = False
) -> None:
    """Refuse an order of complex numbers, and a mean that its dtype cannot hold."""
    dtype = tensor.dtype
    if reduce in ("amax", "amin"):
        if dtype.is_complex:
            raise TypeError(f"{name}: got {dtype}, wanted real numbers for {reduce!r}")
        if dtype == torch.uint64:
            raise TypeError(f"{name}: got {dtype}, wanted numbers that int64 holds for {reduce!r}")
    elif reduce == "mean" and not whole_means and summed(dtype) == torch.int64:
        raise TypeError(
            f"{name}: got {dtype}, wanted a floating-point or complex tensor for a mean"
        )


def _check_grid(shape: Sequence[int]) -> tuple[int, ...]:
    """A tuple of sizes whose product an int64 can hold."""
    if not isinstance(shape, Sequence):
        raise TypeError(f"shape: got {shape!r}, wanted a sequence of sizes")
    shape = tuple(check_whole("shape", size, 0) for size in shape)
    check_cells("shape", shape, shape)
    return shape
