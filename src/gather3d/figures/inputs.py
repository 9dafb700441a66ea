"""What every picture asks of its arguments, and how a tensor becomes numbers to draw."""

from typing import Any

import numpy as np
import torch


def described(caption: str, alt: str) -> dict[str, str]:
    """The words that every picture must carry, checked.

    Args:
        caption: what to notice, printed under the picture.
        alt: what the picture shows, for a reader who cannot see it.

    Raises:
        ValueError: one of them is empty.
    """
    for name, words in (("caption", caption), ("alt", alt)):
        if not isinstance(words, str) or not words.strip():
            raise ValueError(f"{name}: got {words!r}, wanted a sentence")
    return {"caption": caption.strip(), "alt": alt.strip()}


def numbers(values: Any, name: str) -> np.ndarray:
    """A tensor on any device, an array or a list, as a numpy array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        if values.dtype in (torch.bfloat16, torch.float16):
            values = values.float()
        values = values.resolve_conj().resolve_neg().numpy()
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: got values of type {array.dtype}, wanted numbers")
    return array


def coordinates(values: Any, name: str, widths: tuple[int, ...] = (3,)) -> np.ndarray:
    """Positions `[N, 3]`, checked, as float64.

    Raises:
        ValueError: another shape, no points, NaN or infinity.
    """
    array = numbers(values, name)
    wanted = " or ".join(f"[N, {width}]" for width in widths)
    if array.ndim != 2 or array.shape[1] not in widths:
        raise ValueError(f"{name}: got shape {list(array.shape)}, wanted {wanted}")
    if array.shape[0] == 0:
        raise ValueError(f"{name}: got no points (shape {list(array.shape)}), wanted at least one")
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{name}: {int(bad.sum())} of {len(array)} rows hold NaN or infinity "
            f"(the first is row {int(bad.argmax())}), wanted finite coordinates"
        )
    return array.astype(np.float64)


def shortened(array: np.ndarray) -> np.ndarray:
    """float32, rounded to 1 mm or a hundred-thousandth of the extent: a page compresses better."""
    extent = float(np.ptp(array[np.isfinite(array)])) if np.isfinite(array).any() else 0.0
    step = min(1e-3, extent * 1e-5) if extent else 0.0
    if step:
        array = array.round(int(np.ceil(-np.log10(step))))
    return array.astype(np.float32)


def column(values: Any, name: str, length: int) -> np.ndarray:
    """One number for each of `length` things: whole numbers as small integers, others float32."""
    array = numbers(values, name)
    if array.shape != (length,):
        raise ValueError(f"{name}: got shape {list(array.shape)}, wanted [{length}]")
    return compact(array)


def compact(array: np.ndarray) -> np.ndarray:
    """The smallest type that plotly can send and that holds the same values (float32 at most)."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for dtype in (np.uint8, np.int16, np.int32):
        info = np.iinfo(dtype)
        if info.min <= low and high <= info.max:
            return array.astype(dtype)
    return array.astype(np.float64)


def evenly(count: int, limit: int) -> np.ndarray:
    """At most `limit` of `count` positions, evenly spaced, the same ones every time."""
    if limit < 1:
        raise ValueError(f"limit: got {limit}, wanted at least 1")
    if count <= limit:
        return np.arange(count)
    return np.linspace(0, count - 1, limit).round().astype(np.int64)


def entry(name: str | None, things: str, drawn: int, total: int) -> str | None:
    """A layer's entry in the legend, which admits it when not everything is drawn.

    Example:
        >>> entry("scan", "points", 4_000, 70_000)
        'scan: 4,000 of 70,000'
    """
    return f"{name or things}: {drawn:,} of {total:,}" if drawn < total else name


def own_colours(colors: Any, total: int) -> np.ndarray:
    """Colours `[total, 3]`, 0 to 255 (or 0 to 1 if floats), as "#rrggbb"."""
    rgb = numbers(colors, "colors")
    if rgb.shape != (total, 3):
        raise ValueError(f"colors: got shape {list(rgb.shape)}, wanted [{total}, 3]")
    if rgb.dtype.kind == "f":
        rgb = (rgb * 255).round()
    rgb = rgb.clip(0, 255).astype(np.int64)
    return np.array([f"#{r:02x}{g:02x}{b:02x}" for r, g, b in rgb])
