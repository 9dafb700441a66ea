"""Asking a function of one tensor: which dtype it takes, which it computes in, and whether what it
gives is an answer at all."""

import math
from collections.abc import Callable
from contextlib import nullcontext, suppress

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .linear import LIKE, random_inputs

TAKEN = (torch.float64, torch.float32, torch.bfloat16, torch.float16)  # tried in this order
FLOATS = (*TAKEN, torch.float8_e4m3fn, torch.float8_e5m2)


class Asked:
    """A function on flat tensors, float64 to float64 on the CPU, whatever it takes and gives.

    Attributes:
        output_shape: the shape that it gives.
        complex: whether it gives complex numbers; each is two outputs here, one after the other.
        dtype: what it computes in; of several, the one with the fewest digits.
    """

    def __init__(self, fn: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> None:
        self._fn, self._shape = fn, shape
        zero = torch.zeros(math.prod(shape), **LIKE)
        self._takes, first = self._first(zero)
        first = _answer(first)
        self.output_shape, self.complex = tuple(first.shape), first.is_complex()
        if first.any():
            raise ValueError("fn: got other than zeros from zeros, wanted a linear function")
        self._check_that_it_repeats()
        self.dtype = self._coarsest({self._takes, first.dtype} | self._seen(zero))

    def __call__(self, x: Tensor) -> Tensor:
        out = _answer(self._call(x, self._takes))
        if out.shape != self.output_shape or out.is_complex() != self.complex:
            raise ValueError(
                f"fn: got shape {list(out.shape)} and {list(self.output_shape)} from inputs of one "
                "shape, wanted a linear function"
            )
        out = torch.view_as_real(out) if out.is_complex() else out
        return out.to(torch.float64, copy=True).flatten()  # fn may give the same memory each time

    def _call(self, x: Tensor, dtype: torch.dtype) -> object:
        elsewhere = torch.empty(0).device.type != "cpu"  # a default device is set
        with torch.device("cpu") if elsewhere else nullcontext():
            return self._fn(x.reshape(self._shape).to(dtype, copy=True))  # fn may change it

    def _first(self, zero: Tensor) -> tuple[torch.dtype, object]:
        """The dtype that fn takes, and what it gives for zeros."""
        errors = []
        for dtype in TAKEN:
            try:
                return dtype, self._call(zero, dtype)
            except Exception as error:  # such as of a convolution with weights in float32
                errors.append(error)
        if len({str(error) for error in errors}) > 1:
            raise TypeError(
                f"fn: got an error from inputs in each of {', '.join(map(str, TAKEN))} (the first: "
                f"{errors[0]}), wanted a function of one of them"
            ) from errors[0]
        raise errors[0]

    def _check_that_it_repeats(self) -> None:
        x = next(random_inputs(math.prod(self._shape), self._takes))
        drawn, answer = torch.get_rng_state(), self(x)
        often = 1 if torch.equal(drawn, torch.get_rng_state()) else 20  # it drew random numbers
        for _ in range(often):
            if len(answer) and (self(x) - answer).abs().max() > 0.01 * answer.abs().max():
                raise ValueError(
                    "fn: got two answers to one question, as from dropout in training, wanted a "
                    "linear function"
                )

    def _seen(self, x: Tensor) -> set[torch.dtype]:
        """The dtypes of the tensors that appear while fn computes."""
        with suppress(Exception), _Dtypes() as dtypes:  # what cannot be watched is not known
            self._call(x, self._takes)
        return dtypes.seen

    def _coarsest(self, seen: set[torch.dtype]) -> torch.dtype:
        """The one of these dtypes that an answer is as exact as: a constant may be in another."""
        real = {dtype.to_real() if dtype.is_complex else dtype for dtype in seen} & set(FLOATS)
        step = {dtype: torch.finfo(dtype).eps for dtype in real}
        known = sorted((d for d in real if step[d] >= step[self._takes]), key=step.get)
        if len(known) == 1:
            return known[0]
        x = next(random_inputs(math.prod(self._shape), self._takes))
        answer = self(x)
        off = [(self(k * x) / k - answer).abs().sum() / answer.abs().sum() for k in (3, 5, 7)]
        exact = [d for d in known if max(off) <= max(1e-12, 16 * step[d])]
        return exact[0] if exact else known[-1]


class _Dtypes(TorchFunctionMode):
    """Notes the dtype of each result, as autocast makes it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, tuple | list) else (out,):
            if isinstance(one, Tensor):
                self.seen.add(one.dtype)
        return out


def _answer(out: object) -> Tensor:
    """What fn gave, dense and on the CPU; refused where that is no numbers, or whole ones."""
    if not isinstance(out, Tensor):
        raise TypeError(f"fn: got {type(out).__name__} back, wanted a tensor")
    if not (out.is_floating_point() or out.is_complex()):
        raise TypeError(f"fn: got {out.dtype} back, wanted floating-point numbers")
    if out.is_meta or out.is_nested:
        which = "a nested tensor" if out.is_nested else "a tensor on meta"
        raise TypeError(f"fn: got {which} back, wanted one with a shape and values")
    out = out.detach()
    return (out if out.layout == torch.strided else out.to_dense()).cpu().resolve_conj()
