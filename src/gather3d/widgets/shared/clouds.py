"""Point clouds as the explorables hold them: bytes for the front end, checked on their way."""

from functools import cache
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from gather3d import datasets
from gather3d.voxels import points_in_voxels, voxelize


class Cloud(traitlets.Bytes):
    """A trait that takes points [N, 3], (x, y, z) in metres, and keeps their float32 as bytes."""

    def validate(self, obj: Any, value: Any) -> bytes:
        return to_bytes(self.name or "points", value)


def to_bytes(name: str, points: Any) -> bytes:
    """The points' float32 numbers, little-endian.

    Args:
        points: a tensor, an array or nested lists, [N, 3], metres; or such bytes.

    Raises:
        traitlets.TraitError: the shape is another, there are none, or one is not finite.

    Example:
        >>> to_points(to_bytes("points", [[1, 2, 3]]))
        tensor([[1., 2., 3.]])
    """
    if isinstance(points, bytes | bytearray | memoryview):
        if len(points) % 12:
            raise traitlets.TraitError(f"{name}: got {len(points)} bytes, wanted 12 for each point")
        points = to_points(points)
    try:
        tensor = torch.as_tensor(points, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise traitlets.TraitError(f"{name}: wanted numbers [N, 3]; {error}") from None
    if tensor.dim() != 2 or tensor.shape[1] != 3:
        raise traitlets.TraitError(f"{name}: got shape {list(tensor.shape)}, wanted [N, 3]")
    if len(tensor) == 0:
        raise traitlets.TraitError(f"{name}: got no points, wanted at least one")
    bad = (~tensor.isfinite()).nonzero()
    if len(bad):
        got, at = float(tensor[tuple(bad[0])]), bad[0].tolist()
        raise traitlets.TraitError(f"{name}: got {got} at {at}, wanted finite numbers")
    return tensor.detach().cpu().numpy().astype("<f4").tobytes()


def to_points(data: bytes) -> Float[Tensor, "N 3"]:
    """The points in such bytes."""
    return torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(-1, 3)


def check_row(name: str, row: int, count: int) -> int:
    """Refuse a row that is not one of so many."""
    if not 0 <= row < count:
        raise traitlets.TraitError(f"{name}: got {row}, wanted 0 … {count - 1}")
    return row


@cache
def street_patch(
    low: tuple[float, float, float], high: tuple[float, float, float], spacing: float
) -> bytes:
    """A box of the street scan, thinned to the first point of each cell, in storage order.

    Args:
        low, high: corners of the box, (x, y, z) in metres; the scanner stands at (0, 0, 0).
        spacing: edge of the cells, metres.
    """
    points = datasets.load("street").points
    there = points.any(dim=1)  # a pulse without an echo is stored as (0, 0, 0)
    inside = ((points >= torch.tensor(low)) & (points <= torch.tensor(high))).all(dim=1)
    points = points[there & inside]
    first = points_in_voxels(voxelize(points, spacing), 1)[:, 0]
    return to_bytes("points", points[first.sort().values])
