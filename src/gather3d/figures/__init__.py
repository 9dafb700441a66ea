"""One visual language for every picture of the book.

A picture is one call, made of layers, and never without words: `caption` says what to notice,
`alt` what the picture shows.

    >>> import torch
    >>> from gather3d.figures import arrows, chart, line, points, reads, scene

    In space, with plotly:

    >>> cloud, query = torch.rand(100, 3), torch.tensor([[0.5, 0.5, 0.5]])
    >>> nearest = cloud[torch.cdist(query, cloud).argmin(dim=1)]
    >>> figure = scene(
    ...     points(cloud, name="points"),
    ...     arrows(query, nearest, role="index", name="nearest"),
    ...     caption="One query, and the point nearest to it.",
    ...     alt="A hundred points in a box; an arrow from the middle to one of them.",
    ... )

    In the plane, with matplotlib:

    >>> curve = chart(line([1, 2, 3], [1, 4, 9]), caption="It bends.", alt="A rising curve.")
    >>> curve.axes[0].set_ylim(0, 10)
    (0.0, 10.0)

    As cells, with SVG:

    >>> diagram = reads(
    ...     torch.tensor([10, 20, 30]), torch.tensor([2, 0]),
    ...     caption="Each output cell takes the value that its index names.",
    ...     alt="Output 0 reads input 2 and output 1 reads input 0.",
    ... )

    scene    points cubes wire segments arrows mesh       a picture in space
    chart    line bars markers segments arrows            a picture in the plane
    roofline                                              what a machine reaches, and some work
    image    and, over it, markers line segments arrows   an image of numbers
    images                                                several, on one scale
    slider                                                one of these, over a few values
    reads writes matrix tensors tape table                small tensors, cell by cell
    sources                                               any index function: who reads what
    source                                                an operator's code, from its file

What a picture is about has a role, the same on every page: source blue, index orange, result
green, missing grey, wrong red; and "context" for the rest. The values are in `palette`.
"""

from .diagrams import matrix, reads, table, tape, tensors, writes
from .flat import chart, image, images, roofline
from .layers import arrows, cubes, mesh, points, segments, wire
from .listing import source
from .marks import bars, line, markers
from .origins import sources
from .sliders import slider
from .spaces import scene

__all__ = [
    "arrows",
    "bars",
    "chart",
    "cubes",
    "image",
    "images",
    "line",
    "markers",
    "matrix",
    "mesh",
    "points",
    "reads",
    "roofline",
    "scene",
    "segments",
    "slider",
    "source",
    "sources",
    "table",
    "tape",
    "tensors",
    "wire",
    "writes",
]
