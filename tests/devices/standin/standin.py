"""A second device without a GPU: tensors that compute on the CPU and say that they live elsewhere.

With this folder on PYTHONPATH, `import torch` finds the device by its entry point, as it finds the
package of any maker of devices. No notebook and no test has to know of it:

    PYTHONPATH=tests/devices/standin GATHER3D_DEVICE=standin .venv/bin/pytest --nbval notebooks

A tensor there meets what it would meet on a GPU. It has no `.numpy()`, and it does not mix with
tensors of the CPU: an operation of one number each may take a CPU tensor without dimensions, and
copying goes both ways. Random numbers come from a generator of the device's own, so they are others
than the CPU's after the same seed. An index on the CPU, which CUDA would fetch, is refused.

It is no GPU. Kernels are the CPU's, and so are the order of sums and what an index out of range
does; nothing runs beside the program, and no time that is measured here means anything. torch's
compilers trace tensors that stand for others, as this one does, and do not take it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "standin"
CPU = torch.device("cpu")
aten = torch.ops.aten

COPIES = {aten._to_copy.default, aten.copy_.default}
TAKE_A_NUMBER = {  # besides the operations of one number each, on CUDA too
    aten.fill_.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten.masked_fill.Tensor,
    aten.masked_fill_.Tensor,
}


class StandIn(Tensor):
    """A tensor on the device; `host` has the numbers, on the CPU."""

    @staticmethod
    def __new__(cls, host: Tensor) -> "StandIn":
        if host.layout == torch.strided:
            place = {"strides": host.stride(), "storage_offset": host.storage_offset()}
        else:
            place = {"dispatch_layout": True}
        tensor = Tensor._make_wrapper_subclass(
            cls, host.shape, dtype=host.dtype, layout=host.layout, device=f"{NAME}:0", **place
        )
        tensor.host = host
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func: OpOverload, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})

    __torch_function__ = torch._C._disabled_torch_function_impl

    # what torch's own tensors answer without an operation

    @property
    def data(self) -> "StandIn":
        return StandIn(self.host)

    @data.setter
    def data(self, other: "StandIn") -> None:
        Tensor.data.__set__(self, other)
        self.host = other.host

    def numpy(self, *, force: bool = False):
        if force:
            return self.host.detach().numpy()
        raise TypeError(
            f"can't convert {NAME}:0 device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __array__(self, *_, **__):
        return self.numpy()

    def tolist(self):
        return self.host.tolist()

    def data_ptr(self) -> int:
        return self.host.data_ptr()

    def __reduce_ex__(self, _):
        return restored, (self.host, self.requires_grad)

    def __deepcopy__(self, memo: dict) -> "StandIn":
        if id(self) not in memo:
            memo[id(self)] = restored(self.host.clone(), self.requires_grad)
        return memo[id(self)]

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.dim() == 0 else format(repr(self), spec)

    def __repr__(self, **_) -> str:
        return f"{repr(self.host)[:-1]}, device='{NAME}:0')"


StandIn.__name__ = StandIn.__qualname__ = "Tensor"  # as what is refused is called, on a GPU too


def restored(host: Tensor, requires_grad: bool) -> StandIn:
    return StandIn(host).requires_grad_(requires_grad)


# ---- an operation


@dataclass(frozen=True)
class Facts:
    """What an operation's schema says of it.

    Attributes:
        crosses: copies from one device to another.
        takes_a_number: besides tensors of the device, CPU tensors without dimensions.
        random: draws random numbers.
        written: place and name of the arguments that it writes into.
        returned: for each result, the place among `written` of the argument that it is; or None.
    """

    crosses: bool
    takes_a_number: bool
    random: bool
    written: tuple[tuple[int, str], ...]
    returned: tuple[int | None, ...]


@cache
def facts(func: OpOverload) -> Facts:
    arguments, sets = func._schema.arguments, []
    written = []
    for place, argument in enumerate(arguments):
        if argument.alias_info and argument.alias_info.is_write:
            written.append((place, argument.name))
            sets.append(argument.alias_info.before_set)
    returned = [
        sets.index(result.alias_info.before_set)
        if result.alias_info and result.alias_info.is_write
        else None
        for result in func._schema.returns
    ]
    return Facts(
        crosses=func in COPIES,
        takes_a_number=torch.Tag.pointwise in func.tags or func in TAKE_A_NUMBER,
        random=torch.Tag.nondeterministic_seeded in func.tags,
        written=tuple(written),
        returned=tuple(returned),
    )


def run(func: OpOverload, args: tuple, kwargs: dict) -> Any:
    """The operation on the CPU; its results are on the device, unless they were asked for there."""
    about = facts(func)
    if not about.crosses:
        refuse_to_mix(func, about, args, kwargs)
    theirs = on_host(kwargs)
    to = kwargs.get("device")
    if to is not None:
        theirs["device"] = CPU
    draws = own_numbers() if about.random and kwargs.get("generator") is None else nullcontext()
    with draws:
        results = func(*on_host(args), **theirs)
    if to is not None and torch.device(to).type == "cpu":
        return results
    if not about.written:
        return on_device(results)
    given = [args[at] if at < len(args) else kwargs.get(name) for at, name in about.written]
    for tensor in given:
        follow(tensor)
    several = results if isinstance(results, tuple) else (results,)
    kept = tuple(
        on_device(result) if at is None else given[at]
        for result, at in zip(several, about.returned, strict=False)
    )
    return kept if isinstance(results, tuple) else kept[0] if kept else None


def refuse_to_mix(func: OpOverload, about: Facts, args: tuple, kwargs: dict) -> None:
    found = list(tensors((args, list(kwargs.values()))))
    if any(isinstance(tensor, StandIn) for tensor in found):
        for tensor in found:
            number = about.takes_a_number and tensor.dim() == 0
            if not isinstance(tensor, StandIn) and not number:
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two "
                    f"devices, {NAME}:0 and {tensor.device}! (when {func} was called)"
                )


def tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)


def on_host(value: Any) -> Any:
    if isinstance(value, StandIn):
        return value.host
    if isinstance(value, list | tuple):
        return type(value)([on_host(part) for part in value])
    if isinstance(value, dict):
        return {name: on_host(part) for name, part in value.items()}
    return value


def on_device(value: Any) -> Any:
    if isinstance(value, Tensor):
        return StandIn(value)
    if isinstance(value, list | tuple):
        return type(value)([on_device(part) for part in value])
    return value


def follow(tensor: Any) -> None:
    """Take on the shape that an operation has given to the tensor's numbers."""
    if isinstance(tensor, StandIn) and tensor.layout == torch.strided:
        host = tensor.host
        if tensor.shape != host.shape or tensor.stride() != host.stride():
            tensor.data = StandIn(host)


# ---- random numbers


class Kind(type(torch._C.Generator)):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, torch._C.Generator)


class Generator(torch._C.Generator, metaclass=Kind):
    """`torch.Generator`, which may be one of the device: a CPU's with another sequence."""

    def __new__(cls, device: torch.device | str = CPU) -> torch._C.Generator:
        if torch.device(device).type == NAME:
            return super().__new__(cls)
        return torch._C.Generator(device)

    def manual_seed(self, seed: int) -> "Generator":
        return super().manual_seed(seed + 1)

    @property
    def device(self) -> torch.device:
        return torch.device(NAME, 0)


generator = torch._C.Generator()


@contextmanager
def own_numbers() -> Iterator[None]:
    """The CPU's operations draw from the device's generator."""
    kept = torch.default_generator.get_state()
    torch.default_generator.set_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(torch.default_generator.get_state())
        torch.default_generator.set_state(kept)


# ---- the device


# of no tensor of the device: `empty`, and those that torch would make of it by resizing
everything = torch.library.Library("_", "IMPL")
library = torch.library.Library("aten", "IMPL")
FACTORIES = [
    getattr(packet, overload)
    for packet in (
        aten.arange, aten.eye, aten.full, aten.linspace, aten.logspace, aten.randperm, aten.range
    )
    for overload in packet.overloads()
    if not overload.endswith("out") and "names" not in overload
]  # fmt: skip


def called(func: OpOverload, *args, **kwargs) -> Any:
    return run(func, args, kwargs)


def copied(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """While `torch.tensor` copies to the device it does not look at types, but finds this."""
    on_host(target).copy_(on_host(source))
    return target


def register() -> None:
    """What `import torch` calls."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=Module(NAME))
    torch.accelerator.synchronize = lambda *_: None  # there is nothing to wait for
    torch.Generator = Generator
    for func in FACTORIES:
        library.impl(func, partial(called, func), "PrivateUse1")
    library.impl(aten._local_scalar_dense.default, lambda tensor: tensor.host.item(), "PrivateUse1")
    library.impl(aten._copy_from.default, copied, "PrivateUse1")
    everything.fallback(called, "PrivateUse1")
    everything.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")


class Module(ModuleType):
    """`torch.standin`: what torch asks of a device."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]

    def manual_seed_all(self, seed: int) -> None:
        generator.manual_seed(seed + 1)
