"""Numbers as an explorable writes them: four digits, a real minus, data-value="name"."""

import re

import torch


def words(shown) -> dict[str, str]:
    """The text of every named value on the screen."""
    return dict(
        shown.root.locator("[data-value]").evaluate_all(
            "all => all.map((each) => [each.dataset.value, each.textContent])"
        )
    )


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", text.replace("−", "-"))]


def close(shown, wanted, note) -> None:
    """Equal but for the rounding to four digits."""
    shown = torch.as_tensor(shown, dtype=torch.float64)
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    room = 0.00051 * wanted.abs() + 1e-9
    assert shown.shape == wanted.shape and (shown - wanted).abs().le(room).all(), (
        f"{shown.tolist()} is shown, {wanted.tolist()} wanted, for {note}"
    )
