"""Chapter 11's predictions: half a voxel, a gate that starts at zero, positions cut to integers."""

from collections.abc import Callable

import torch
from torch import Tensor

from gather3d.sampling import deform_conv3d

from ..predict import REFUSED, Option, Prediction

# ---- deform.half

VALUES = torch.tensor([1.0, 3, 7]).reshape(1, 1, 1, 1, 3)
WEIGHT = torch.full((1, 1, 1, 1, 1), 2.0)


def first(x_offset: float, gate: float = 1.0) -> str:
    """The first output of a kernel with one tap, of weight 2: without an offset, 2."""
    offset = torch.tensor([0.0, 0.0, x_offset]).reshape(1, 3, 1, 1, 1).expand(1, 3, 1, 1, 3)
    mask = torch.full((1, 1, 1, 1, 3), gate)
    return f"{deform_conv3d(VALUES, offset, WEIGHT, mask=mask).flatten()[0]:g}"


HALF = Prediction(
    "deform.half",
    "Without offsets, two outputs beside each other along x are 2 and 6. Now every tap at every "
    "place gets the offset (0, 0, ½). What does the first output become?",
    Option(
        "4",
        lambda: first(0.5),
        "Reading half way is the mean of two readings, and convolving is linear: so it is the mean "
        "of two outputs.",
    ),
    (
        Option("6", lambda: first(1.0), "That is offset 1: no position is rounded."),
        Option("2", lambda: first(0.0), "That is offset 0: no position is cut to a whole number."),
        Option(
            "1",
            lambda: first(0.0, gate=0.5),
            "Half a voxel leaves no half of the weight behind: the other voxel holds the rest.",
        ),
    ),
)

# ---- deform.gate


def fresh(gate: Callable[[Tensor], Tensor]) -> str:
    """The outputs of a layer whose head gives zeros, of those of the plain convolution."""
    g = torch.Generator().manual_seed(0)
    x, weight = torch.rand(1, 2, 4, 4, 4, generator=g), torch.rand(1, 2, 3, 3, 3, generator=g)
    head = x.new_zeros(1, 4 * 27, 4, 4, 4)
    out = deform_conv3d(x, head[:, :81], weight, mask=gate(head[:, 81:]), padding=1)
    times = (out / torch.nn.functional.conv3d(x, weight, padding=1)).mean()
    return f"{times:.2f} times"


GATE = Prediction(
    "deform.gate",
    "The layer that gives offsets and gates starts with all weights 0. A gate is the sigmoid of "
    "what it gives. How large are the first outputs, beside those of the plain convolution?",
    Option(
        "0.50 times",
        lambda: fresh(torch.sigmoid),
        "sigmoid(0) = ½, and every tap has it. That is why some code doubles the gate.",
    ),
    (
        Option(
            "1.00 times",
            lambda: fresh(lambda head: 2 * head.sigmoid()),
            "The offsets are zero, and the positions those of the plain convolution. The gates are "
            "not 1, unless somebody doubles them.",
        ),
        Option(
            "0.00 times",
            lambda: fresh(lambda head: head),
            "The head gives 0, but the gate is its sigmoid.",
        ),
        Option(
            "0.04 times",
            lambda: fresh(lambda head: head.softmax(1)),
            "That would be a softmax over 27 taps. A sigmoid lets each tap be open by itself.",
        ),
    ),
)

# ---- deform.silent

MOVED = 1.0


def trained(cut: bool, learn: bool = True) -> str:
    """Ten steps towards an output that a shift by one voxel would give."""
    g = torch.Generator().manual_seed(0)
    x = torch.rand(1, 1, 6, 6, 6, generator=g).cumsum(4)
    offset = torch.zeros(3, requires_grad=True)
    scale = torch.full((1, 1, 1, 1, 1), 0.5, requires_grad=learn)
    optimizer = torch.optim.Adam([offset, scale] if learn else [offset], lr=0.05)
    losses = []
    for _ in range(10):
        position = offset.long().float() if cut else offset
        everywhere = position[None, :, None, None, None].expand(1, 3, 6, 6, 6)
        out = deform_conv3d(x, everywhere, scale)
        losses.append((out - x.roll(-1, 4))[..., :-1].square().mean())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    return described(losses[-1] < losses[0], offset.grad)


def described(falls: bool | Tensor, grad: Tensor | None) -> str:
    loss = "falls" if falls else "stays"
    return f"The loss {loss}; the offsets have {'no' if grad is None else 'a'} gradient."


SILENT = Prediction(
    "deform.silent",
    "Offsets and weights are trained together, but the code cuts positions to whole numbers with "
    "`.long()` before it reads. What do you see?",
    Option(
        "The loss falls; the offsets have no gradient.",
        lambda: trained(cut=True),
        "The weights learn what they can, and the curve looks healthy. Only the offsets' `.grad` "
        "says `None`.",
    ),
    (
        Option(
            REFUSED,
            lambda: trained(cut=True, learn=False),
            "So it is where nothing else can learn: `backward` then finds no path at all. The "
            "weights are a path.",
        ),
        Option(
            "The loss stays; the offsets have no gradient.",
            lambda: described(falls=False, grad=None),
            "The offsets stay. The weights have gradients of their own, and lower the loss.",
        ),
        Option(
            "The loss falls; the offsets have a gradient.",
            lambda: trained(cut=False),
            "So it is with real positions. `.long()` gives an integer tensor, and those carry no "
            "gradient.",
        ),
    ),
)

PREDICTIONS = (HALF, GATE, SILENT)
