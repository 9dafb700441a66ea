"""The same call on two devices, and how far apart its answers are."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor

WITHIN = 100  # eps of the dtype: larger differences are named one by one
TRIED = 1000  # queries that are looked at where two interpolations differ
SEED = 0


@dataclass
class Answer:
    """What a call gave: an error, or its results with the gradients of its floating arguments."""

    error: Exception | None = None
    results: dict[str, Any] = field(default_factory=dict)
    gradients: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Gap:
    """How far two answers are apart in one place.

    Attributes:
        kind: "value", "gradient" or "error".
        where: the result, or the argument whose gradient it is.
        absolute: the largest difference; inf where shapes, kinds or NaNs differ.
        relative: the same in units of the dtype's eps times the largest number of that kind in the
            call; integers that differ count as infinitely far apart.
        words: what differs, where that is not a distance.
        tie: both answers are right: something lay equally far, and each took another one.
    """

    kind: str
    where: str
    absolute: float
    relative: float
    dtype: str = ""
    words: str = ""
    tie: bool = False


def gaps(
    name: str, call: Callable, bound: inspect.BoundArguments, here: Answer, device: str
) -> Iterator[Gap]:
    """Repeat a call on a device, and compare with what it gave here; then gradients on both."""
    there = answer(call, bound, device)
    if here.error or there.error:
        yield from _errors(here, there)
        return
    for where, result in there.results.items():
        if isinstance(result, Tensor) and result.device.type != torch.device(device).type:
            yield Gap("value", where, inf, inf, words=f"left on {result.device}")
            return
    found = list(_apart("value", here.results, there.results))
    if any(gap.relative > WITHIN for gap in found):
        tie = name in TIES and TIES[name](bound.arguments, here.results, there.results)
        if tie:
            # what the tie explains is not measured, and the gradients flow to other points
            yield Gap("value", "", 0, 0, tie=True)
            return
    yield from found
    if any(isinstance(x, Tensor) and x.is_floating_point() for x in here.results.values()):
        ours, theirs = (answer(call, bound, place, gradients=True) for place in ("cpu", device))
        if ours.error or theirs.error:
            yield from _errors(ours, theirs)
        else:
            yield from _apart("gradient", ours.gradients, theirs.gradients)


def answer(
    call: Callable, bound: inspect.BoundArguments, device: str, gradients: bool = False
) -> Answer:
    """Call with the same arguments on a device; with gradients, for a seeded cotangent."""
    copies: dict[int, Tensor] = {}
    arguments = {name: moved(value, device, copies) for name, value in bound.arguments.items()}
    leaves = {name: leaf for name, leaf in named(arguments) if _floating(leaf)}
    try:
        if not gradients:
            return Answer(results=dict(named(_called(call, bound, arguments))))
        with torch.enable_grad():
            for leaf in leaves.values():
                leaf.requires_grad_()
            results = dict(named(_called(call, bound, arguments)))
            reached = [x for x in results.values() if isinstance(x, Tensor) and x.requires_grad]
            if not reached:
                return Answer()
            random = torch.Generator().manual_seed(SEED)
            given = [
                torch.randn(x.shape, generator=random, dtype=torch.float64, device="cpu").to(x)
                for x in reached
            ]
            wanted = torch.autograd.grad(reached, list(leaves.values()), given, allow_unused=True)
    except Exception as error:
        return Answer(error)
    return Answer(gradients={n: g for n, g in zip(leaves, wanted, strict=True) if g is not None})


def _called(call: Callable, bound: inspect.BoundArguments, arguments: dict) -> Any:
    again = inspect.BoundArguments(bound.signature, arguments)
    return call(*again.args, **again.kwargs)


def moved(value: Any, device: str, copies: dict[int, Tensor]) -> Any:
    """A copy on another device, laid out in memory as it was here; what is `meta` stays so.

    One tensor that stands in two places is one there too: `copies` has those that were made.
    """
    if isinstance(value, Tensor):
        if value.device.type == "meta":
            return value
        if id(value) not in copies:
            copies[id(value)] = _copy(value, device)
        return copies[id(value)]
    if is_dataclass(value) and not isinstance(value, type):
        twin = object.__new__(type(value))  # as it is: __post_init__ has checked it
        for name, part in vars(value).items():
            object.__setattr__(twin, name, moved(part, device, copies))
        return twin
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(moved(part, device, copies) for part in value)
    if type(value) is dict:
        return {name: moved(part, device, copies) for name, part in value.items()}
    return value


def _copy(tensor: Tensor, device: str) -> Tensor:
    if tensor.layout != torch.strided:
        return tensor.detach().clone().to(device)
    count = tensor.untyped_storage().nbytes() // tensor.element_size()
    storage = tensor.detach().as_strided((count,), (1,), 0).clone().to(device)
    twin = storage.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
    return twin.detach().requires_grad_(tensor.requires_grad)


def named(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The tensors and other ends of nested results or arguments, with their names."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from named(part, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list | tuple) and any(map(_holds, value)):
        for k, part in enumerate(value):
            yield from named(part, f"{name}[{k}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from named(getattr(value, part.name), f"{name}.{part.name}".lstrip("."))
    else:
        yield name, value


def _holds(value: Any) -> bool:
    return isinstance(value, Tensor | Mapping | list | tuple) or is_dataclass(value)


def _floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.device.type != "meta"


# ---- how far apart


def _errors(here: Answer, there: Answer) -> Iterator[Gap]:
    """Both refuse with the same words, or one of them answers, or says something else."""
    errors = (here.error, there.error)
    if _refusal(errors[0]) == _refusal(errors[1]):
        yield Gap("error", "", 0, 0)
    else:
        said = [f"{type(e).__name__}: {e}".splitlines()[0] if e else "an answer" for e in errors]
        yield Gap("error", "", inf, inf, words=f"{said[0]}; there {said[1]}")


def _refusal(error: Exception | None) -> tuple[str, ...]:
    """What must be the same: the words too, where they are ours. Devices have other names there."""
    if error is None:
        return ()
    if type(error) in (ValueError, IndexError, TypeError):
        return type(error).__name__, re.sub(r"\b[a-z]+:\d+\b", "cpu", str(error))
    return (type(error).__name__,)  # torch's own words, and jaxtyping's, show the tensors


def _apart(kind: str, here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[Gap]:
    """One gap for each tensor; lengths are relative to the largest number of all."""
    if here.keys() != there.keys():
        words = f"{sorted(here)}, there {sorted(there)}"
        yield Gap(kind, "", inf, inf, words=words)
        return
    largest = max((_largest(x) for x in [*here.values(), *there.values()]), default=0.0)
    for name, one in here.items():
        other = there[name]
        if not isinstance(one, Tensor):
            if one != other:
                yield Gap(kind, name, inf, inf, words=f"{one}, there {other}")
            continue
        dtype = str(one.dtype).removeprefix("torch.")
        facts = [(tuple(x.shape), str(x.dtype)) for x in (one, other)]
        if facts[0] != facts[1]:
            yield Gap(kind, name, inf, inf, dtype, f"{facts[0]}, there {facts[1]}")
            continue
        far = distance(one, other)
        if not one.is_floating_point():
            yield Gap(kind, name, far, inf if far else 0.0, dtype)
        else:
            unit = torch.finfo(one.dtype).eps * largest
            yield Gap(kind, name, far, far / unit if unit else (inf if far else 0.0), dtype)


def distance(one: Tensor, other: Tensor) -> float:
    """The largest |one - other|; NaN is near NaN, and an infinity near itself, only."""
    one, other = (x.detach().cpu().to_dense() for x in (one, other))
    if not one.is_floating_point():
        return float((one != other).sum())
    one, other = one.double(), other.double()
    same = (one == other) | (one.isnan() & other.isnan())
    far = (one - other).abs().masked_fill(same, 0).nan_to_num(inf, inf)
    return float(far.max()) if far.numel() else 0.0


def _largest(value: Any) -> float:
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.numel() == 0:
        return 0.0
    finite = value.detach().cpu().double().nan_to_num(0, 0, 0)
    return float(finite.abs().max())


# ---- ties: answers that differ and are both right


def _nearest(arguments: Mapping, here: Mapping, there: Mapping) -> bool:
    """In each place, both name a point that lies as far from the query, or both name none."""
    query, points = (arguments[name].detach().cpu() for name in ("query", "points"))
    index = [x["[1]"].cpu() for x in (here, there)]
    if index[0].shape != index[1].shape or not torch.equal(index[0] < 0, index[1] < 0):
        return False
    lengths = [_lengths(query, points, i.clamp(min=0)) for i in index]
    return bool(_as_far(*lengths, points.dtype).all())


def _lengths(query: Tensor, points: Tensor, index: Tensor) -> Tensor:
    batch = torch.arange(len(points))[:, None, None]
    picked = points.double()[batch, index.long()]  # [B, M, K, 3]
    return (picked - query.double()[:, :, None]).norm(dim=3)


def _as_far(one: Tensor, other: Tensor, dtype: torch.dtype) -> Tensor:
    return (one - other).abs() <= 16 * torch.finfo(dtype).eps * torch.maximum(one, other)


def _interpolated(arguments: Mapping, here: Mapping, there: Mapping) -> bool:
    """Where they differ, the last neighbour that counts is as near as the first that does not."""
    query, points = (arguments[name].detach().cpu().double() for name in ("query", "points"))
    k, (one, other) = arguments.get("k", 3), (x[""].detach().cpu() for x in (here, there))
    if k >= points.shape[1]:
        return False
    near = (one - other).double().abs() <= WITHIN * torch.finfo(one.dtype).eps * _largest(one)
    for b, m in (~near).any(1).nonzero()[:TRIED].tolist():
        lengths = (points[b] - query[b, m]).norm(dim=1).sort().values
        if not _as_far(lengths[k - 1], lengths[k], arguments["points"].dtype):
            return False
    return True


def _farthest(arguments: Mapping, here: Mapping, there: Mapping) -> bool:
    """Both are greedy: each point that they take is as far from those before as any is."""
    points = arguments["points"].detach().cpu().double()  # [B, N, 3]
    batch = torch.arange(len(points))
    for chosen in (here[""].cpu().long(), there[""].cpu().long()):
        left = torch.full(points.shape[:2], inf, dtype=torch.float64)
        for j in range(chosen.shape[1]):
            at = chosen[:, j]
            if j and not _as_far(left.amax(1), left[batch, at], arguments["points"].dtype).all():
                return False
            left = torch.minimum(left, (points - points[batch, at][:, None]).norm(dim=2))
    return True


TIES: dict[str, Callable[[Mapping, Mapping, Mapping], bool]] = {
    "knn": _nearest,
    "ball_query": _nearest,
    "interpolate": _interpolated,
    "farthest_point_sample": _farthest,
}
