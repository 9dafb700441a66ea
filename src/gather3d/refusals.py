"""How the operators refuse bad input: each message names the argument, what came, what was wanted.

Checks of shapes, dtypes and devices cost nothing. Checks of values read the tensor once, which on
CUDA waits for the device; they are left out where no value exists: while `torch.compile` traces,
and on the meta device; and in `unchecked`.
"""

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real

import torch
from torch import Tensor

INT64_MAX = 2**63 - 1


class _Trust(threading.local):
    """Whether this thread's operators take its word for the values of their arguments."""

    given = False

    def __reduce__(self) -> tuple:  # goes with a function to another process, and begins anew there
        return _Trust, ()


_trust = _Trust()


@contextmanager
def unchecked() -> Iterator[None]:
    """Operators that do not read their arguments' values to check them: your word that indices are
    in range and coordinates finite.

    On CUDA each check waits for the device, as torch's own indexing does not. What a wrong value
    does here is torch's affair: an error, a read of another place, a stopped device. Shapes, dtypes
    and devices are checked all the same.

    Example:
        >>> x, index = torch.tensor([[[10.0, 20.0, 30.0]]]), torch.tensor([[2, -1]])
        >>> with gather3d.refusals.unchecked():
        ...     gather3d.gather_points(x, index)
        tensor([[[30.,  0.]]])
    """
    before, _trust.given = _trust.given, True
    try:
        yield
    finally:
        _trust.given = before


def check_shapes(**arguments: tuple[Tensor, str]) -> dict[str, int | tuple[int, ...]]:
    """Match tensors with patterns such as "B C N" or "B *S"; a letter is one size everywhere.

    Returns the sizes by letter (a starred letter gives a tuple). All tensors must share a device.

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: a shape does not fit its pattern, or the devices differ.

    Example:
        >>> check_shapes(x=(torch.zeros(2, 3, 5), "B C N"), index=(torch.zeros(2, 4), "B *S"))
        {'B': 2, 'C': 3, 'N': 5, 'S': (4,)}
    """
    sizes: dict[str, int | tuple[int, ...]] = {}
    device = None
    for name, (tensor, pattern) in arguments.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: got {type(tensor).__name__}, wanted a tensor [{pattern}]")
        device = device or (name, tensor.device)
        if tensor.device != device[1]:
            raise ValueError(
                f"{name}: got a tensor on {tensor.device}, wanted {device[1]}, where {device[0]} is"
            )
        if (expected := _match(tuple(tensor.shape), pattern.split(), sizes)) is not None:
            raise ValueError(f"{name}: got shape {list(tensor.shape)}, wanted [{expected}]")
    return sizes


def _match(shape: tuple[int, ...], letters: list[str], sizes: dict) -> str | None:
    """Bind the letters to the sizes in `shape`; where that fails, say what was wanted."""
    starred = [at for at, letter in enumerate(letters) if letter.startswith("*")]
    groups: list[int | tuple[int, ...]] = list(shape)
    for at in starred:  # at most one
        end = len(shape) - (len(letters) - at - 1)
        groups = [*shape[:at], shape[at:end], *shape[end:]] if end >= at else []
    wanted = [
        int(letter) if letter.isdigit() else sizes.get(letter.lstrip("*")) for letter in letters
    ]
    fits = len(groups) == len(letters) and all(
        want is None or want == got for want, got in zip(wanted, groups, strict=True)
    )
    if fits:
        named = zip(letters, groups, strict=True)
        sizes.update({n.lstrip("*"): size for n, size in named if not n.isdigit()})
        return None
    return ", ".join(
        letter if want is None or letter.isdigit() else f"{letter}={want}"
        for letter, want in zip(letters, wanted, strict=True)
    )


def check_type(name: str, value: object, wanted: type) -> None:
    """Refuse what is not of the wanted class, such as a dense volume for a sparse one."""
    if not isinstance(value, wanted):
        raise TypeError(f"{name}: got {type(value).__name__}, wanted {wanted.__name__}")


def check_integer(name: str, tensor: Tensor) -> None:
    """Refuse what cannot be an index: floats, booleans, complex numbers."""
    if tensor.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{name}: got {tensor.dtype}, wanted int64 or int32")


def check_floating(name: str, tensor: Tensor) -> None:
    """Refuse whole numbers, booleans and complex numbers where only floats have a meaning."""
    if not tensor.is_floating_point():
        raise TypeError(f"{name}: got {tensor.dtype}, wanted a floating-point tensor")


def check_same_dtype(multiplied: bool = False, **arguments: Tensor) -> None:
    """Refuse an argument whose dtype is not that of the first one.

    With `multiplied`, they are operands of a matrix product, which autocast, where it is on,
    brings to one dtype by itself, but for float64, which it leaves alone.
    """
    (first, model), *others = arguments.items()
    double = torch.float64 in [tensor.dtype for tensor in arguments.values()]
    if multiplied and not double and torch.is_autocast_enabled(model.device.type):
        return
    for name, tensor in others:
        if tensor.dtype != model.dtype:
            raise TypeError(f"{name}: got {tensor.dtype}, wanted {model.dtype}, as {first} has")


def check_range(name: str, index: Tensor, low: int, high: int = INT64_MAX) -> int:
    """Refuse an index outside low … high - 1; with no high, below low.

    Returns the least index, so that nobody need look for a -1 again; low where none can be read.
    """
    check_integer(name, index)
    if not has_values(index):
        return low
    ends = torch.stack(torch.aminmax(index)).cpu()  # together: CUDA is waited for once
    least, most = (int(end) for end in ends)
    _refuse_outside(name, least, most, low, high)
    return least


def check_inside(name: str, coords: Tensor, shape: Sequence[int]) -> None:
    """Refuse coordinates [*S, k] that are not in a grid of k sizes; names the first bad column."""
    check_integer(name, coords)
    if not has_values(coords):
        return
    ends = torch.stack(torch.aminmax(coords.reshape(-1, len(shape)), dim=0)).cpu()  # [2, k]
    for axis, size in enumerate(shape):
        least, most = (int(end) for end in ends[:, axis])
        _refuse_outside(f"{name}[..., {axis}]", least, most, 0, size)


def _refuse_outside(name: str, least: int, most: int, low: int, high: int) -> None:
    if least < low or most >= high:
        got = least if least < low else most
        wanted = f"at least {low}" if high == INT64_MAX else f"{low} … {high - 1}"
        raise IndexError(f"{name}: got {got}, wanted {wanted}")


def check_finite(name: str, tensor: Tensor) -> None:
    """Refuse NaN and infinity, and tensors that are not floating point."""
    check_floating(name, tensor)
    # one NaN or infinity makes a sum NaN or infinite; so may large numbers, hence the second look
    if not has_values(tensor) or math.isfinite(tensor.detach().sum()):
        return
    bad = ~torch.isfinite(tensor)
    if bad.any():
        at = bad.nonzero()[0].tolist()
        got = float(tensor.detach()[tuple(at)])
        raise ValueError(f"{name}: got {got} at {at}, wanted finite coordinates")


def has_values(tensor: Tensor) -> bool:
    """Whether there are numbers to read, and they are to be read."""
    if torch.compiler.is_compiling():
        return False
    return not (_trust.given or tensor.is_meta or tensor.numel() == 0)


def check_one_of(name: str, value: object, choices: Sequence[object]) -> None:
    """Refuse a word that is not among the choices."""
    if value not in choices:
        wanted = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name}: got {value!r}, wanted one of {wanted}")


def check_whole(name: str, value: object, least: int | None = None) -> int:
    """Refuse what is not a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        wanted = "a whole number" if least is None else f"a whole number of at least {least}"
        raise TypeError(f"{name}: got {value!r}, wanted {wanted}")
    if least is not None and value < least:
        raise ValueError(f"{name}: got {value}, wanted at least {least}")
    return int(value)


def check_triple(name: str, value: int | Sequence[int], least: int) -> tuple[int, int, int]:
    """One whole number for all three axes, or three in the order (z, y, x)."""
    values = tuple(value) if isinstance(value, Sequence) else (value,) * 3
    if len(values) != 3:
        raise ValueError(f"{name}: got {value!r}, wanted one number or three (z, y, x)")
    return tuple(check_whole(name, v, least) for v in values)  # type: ignore[return-value]


def check_kernel_fits(
    name: str,
    got: object,
    shape: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> tuple[int, ...]:
    """The sizes of a convolution's output; refuse a kernel that is larger than the padded input."""
    axes = zip(shape, kernel, stride, padding, dilation, strict=True)
    out = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)
    if any(o < 0 or (o == 0 and n > 0) for o, n in zip(out, shape, strict=True)):
        raise ValueError(
            f"{name}: got {got}, wanted room for {kernel} in {tuple(shape)} padded by {padding}"
        )
    return out


def check_cells(name: str, got: object, shape: Sequence[int]) -> None:
    """Refuse what leads to a grid with more cells than an int64 can count."""
    if (cells := math.prod(shape)) > INT64_MAX:
        raise ValueError(
            f"{name}: got {got}, which makes {cells:.3g} cells, wanted at most 2^63 - 1"
        )


def check_positive(name: str, value: float) -> float:
    """Refuse what is not a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: got {value!r}, wanted a number above 0")
    if not 0 < value < float("inf"):
        raise ValueError(f"{name}: got {value}, wanted a finite number above 0")
    return float(value)


def check_edges(name: str, value: float | Sequence[float]) -> float | tuple[float, float, float]:
    """Finite numbers above zero: one for all three axes, or three in the order (x, y, z)."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return check_positive(name, value)
    if len(value) != 3:
        raise ValueError(f"{name}: got {value!r}, wanted one number or three (x, y, z)")
    return tuple(check_positive(name, v) for v in value)  # type: ignore[return-value]


def check_bounds(name: str, bounds: Iterable[Iterable[float]]) -> tuple[tuple[float, ...], ...]:
    """Two corners of a box, (x, y, z) each, the low one first."""
    try:
        low, high = (tuple(float(at) for at in corner) for corner in bounds)
    except (TypeError, ValueError):
        low = high = ()
    if (len(low), len(high)) != (3, 3):
        raise ValueError(f"{name}: got {bounds!r}, wanted ((x, y, z), (x, y, z)), low and high")
    for axis, start, end in zip("xyz", low, high, strict=True):
        if not -math.inf < start < end < math.inf:
            raise ValueError(
                f"{name}: got {start} to {end} in {axis}, wanted finite numbers, the lower first"
            )
    return low, high
