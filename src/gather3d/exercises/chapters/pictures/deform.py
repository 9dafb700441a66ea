"""Chapter 11's wanted results: where the taps of a kernel go, and what they bring back."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gather3d import figures
from gather3d.figures.svg import Canvas, Diagram
from gather3d.sampling import deform_conv3d

from ..deform import deform_conv_fast, dilated_fast, sites_fast, turned_fast
from .curves import Curve, curves

VOXEL = 48  # the side of a voxel, in pixels


def plane(
    offset: Tensor, caption: str, alt: str, size: int = 5, tell: tuple[int, ...] = ()
) -> Diagram:
    """The middle nine taps of a kernel in a slice of voxels, and the way each of them goes.

    `tell` names taps whose position is written beside them, (z, y, x), as `sites` gives it.
    """
    canvas, middle = Canvas(), size // 2
    everywhere = offset.reshape(1, 81, 1, 1, 1).expand(1, 81, size, size, size)
    ends = sites_fast(everywhere)[0, :, middle, middle, middle]  # [27, 3]
    for y in range(size):
        canvas.text(-8, (y + 0.5) * VOXEL, str(y), "tiny right")
        canvas.text((y + 0.5) * VOXEL, -10, str(y), "tiny")
        for x in range(size):
            canvas.cell(x * VOXEL, y * VOXEL, VOXEL, VOXEL)
    canvas.text(-26, size * VOXEL / 2, "y", "tiny")
    canvas.text(size * VOXEL / 2, -26, "x", "tiny")
    for k in range(9, 18):  # the taps with kz = 1
        y0, x0 = ((k // 3 % 3 + middle - 1 + 0.5) * VOXEL, (k % 3 + middle - 1 + 0.5) * VOXEL)
        y1, x1 = ((ends[k, 1:] + 0.5) * VOXEL).tolist()
        canvas.dot(x0, y0, "source", 5)
        if (x1 - x0) ** 2 + (y1 - y0) ** 2 > 30:
            canvas.arrow(f"M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}", (x1, y1), (x1 - x0, y1 - y0))
        if k in tell:
            words = ", ".join(f"{c:g}" for c in ends[k].tolist())
            canvas.text(x1, y1 + (15 if y1 >= y0 else -13), f"({words})", "tiny")
    return canvas.diagram(caption, alt)


def dilated() -> Diagram:
    offset = dilated_fast(torch.tensor([1.0, 2.0, 1.5]), (1, 1, 1))
    return plane(
        offset,
        "The middle slice of a kernel with dilation (1, 2, 1.5): arrows from where a tap stands to "
        "where it should. Along y a tap moves one voxel, along x half of one; the middle tap "
        "stays, and the taps above and below in z move in the same way.",
        "Nine taps in a slice of 5 by 5 voxels. Those in the outer rows move outwards by one voxel "
        "in y, those in the outer columns by half a voxel in x.",
    )


def sites() -> Diagram:
    offset = torch.zeros(27, 3)
    offset[10] = torch.tensor([0.0, -0.75, 0.5])
    offset[15] = torch.tensor([0.5, 0.5, -0.75])
    offset[14] = torch.tensor([0.0, 0.25, 1.0])
    return plane(
        offset,
        "The output voxel (2, 2, 2) and its nine taps with kz = 1. Taps without an offset read "
        "where they stand; three have one. The numbers are the wanted positions (z, y, x): "
        "voxel, plus tap, plus offset. A part in z does not show in this slice.",
        "Nine taps around the middle of 5 by 5 voxels. Arrows lead from three of them to positions "
        "between the voxels, each written beside its arrow.",
        tell=(10, 14, 15),
    )


def conv() -> Diagram:
    ones, shape = torch.ones(1, 1, 1, 3, 4), (1, 3, 4)
    kernel = torch.ones(1, 1, 3, 3, 3)
    half = torch.tensor([0.0, 0.0, 0.5]).repeat(27)[None, :, None, None, None].expand(1, 81, *shape)
    named = {
        "input": ones[0, 0, 0],
        "offsets 0": deform_conv_fast(ones, 0 * half, kernel)[0, 0, 0],
        "offsets (0, 0, ½)": deform_conv_fast(ones, half, kernel)[0, 0, 0],
    }
    return figures.tensors(
        named,
        roles={"input": "source", "offsets 0": "result", "offsets (0, 0, ½)": "result"},
        caption="One slice of ones and a kernel of ones: an output counts the taps inside. "
        "Half a voxel further in x, and each number is the mean of itself and the next one; beyond "
        "the last column the kernel hangs further outside.",
        alt="; ".join(f"{name}: {t.tolist()}" for name, t in named.items()),
    )


def turned() -> Diagram:
    return plane(
        turned_fast(torch.tensor(30.0)),
        "A kernel turned by +30° about z, from x towards y. The middle tap stays; those at the "
        "corners go furthest.",
        "Nine taps in a slice of 5 by 5 voxels; arrows of the outer eight run round the middle, "
        "from the positive x axis towards the positive y axis.",
    )


STRENGTHS = {
    "λ = 0": (0.0, "wrong"),
    "a good λ": (1.0, "result"),
    "far too large": (100.0, "index"),
}


def smooth() -> Diagram:
    """Offsets learned on one line of voxels, with three strengths of the smoothness term."""
    place = torch.arange(24.0)
    straight = (place * 2.2).sin() + (place * 0.4).cos()
    true = 1.2 * (place * torch.pi / 23).sin()
    bent = _read(straight, -true)
    found = [Curve("true", place.tolist(), true.tolist(), "context")]
    for name, (strength, role) in STRENGTHS.items():
        learned = _learned(bent, straight, strength).tolist()
        found.append(Curve(name, place.tolist(), learned, role))
    return curves(
        found,
        x="voxel",
        y="offset (voxels)",
        caption="One line of 24 voxels, bent, and the offsets that were learned to undo it. "
        "Without the term each voxel finds a brightness of its own; with a good strength "
        "neighbours agree; with far too much they may hardly differ, and a level shift is left.",
        alt="Four curves over the voxels of a line: the true offsets, one smooth hill; a jagged "
        "curve about it; a curve close to it; and a nearly level one.",
    )


def _read(line: Tensor, offset: Tensor) -> Tensor:
    one = line.new_ones(1, 1, 1, 1, 1)
    moved = F.pad(offset[None, None], (0, 0, 2, 0))[:, :, None, None]  # z and y do not move
    return deform_conv3d(line[None, None, None, None], moved, one).flatten()


def _learned(bent: Tensor, straight: Tensor, strength: float) -> Tensor:
    offset = torch.zeros(len(bent), requires_grad=True)
    optimizer = torch.optim.Adam([offset], lr=0.1)
    with torch.enable_grad():
        for _ in range(60):
            loss = F.mse_loss(_read(bent, offset), straight)
            loss = loss + strength * offset.diff().square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return offset.detach()


PICTURES = {
    "deform.dilated": dilated,
    "deform.sites": sites,
    "deform.conv": conv,
    "deform.turned": turned,
    "deform.smooth": smooth,
}
