"""NeighbourExplorer: which points are near this one, and which does a search keep?"""

from typing import Any

import torch
import traitlets
from jaxtyping import Float, Int
from torch import Tensor

from gather3d.points import ball_query, knn

from .shared.clouds import Cloud, check_row, street_patch, to_points
from .shared.explorable import Explorable, front_end

MOST = 12  # neighbours in a row, so that the row can be read
START = 739  # the first query


class NeighbourExplorer(Explorable):
    """A real cloud, a query in it, and the row of neighbours that three kinds of search keep.

    knn     the k points with the smallest ‖points[query] - points[n]‖, nearest first
    ball    of those with ‖points[query] - points[n]‖ ≤ radius the k nearest, nearest first, then -1
    first   of the same points the first k in storage order, then -1

    The query is a point of the cloud, so it finds itself, at distance 0.

    Args:
        points: [N, 3], (x, y, z) in metres; a corner of the street scan if not given.
        query: row of the point whose neighbours are sought, 0 … N - 1.
        method: "knn", "ball" or "first".
        k: the most neighbours that are kept, 1 … 12.
        radius: metres, above 0; "knn" does not use it.

    Attributes:
        points: the cloud as torch has it, [N, 3] float32.
        index: [k] int64, rows of points, -1 where missing; None where the search is refused.
        distance: [k] float64, metres, inf where missing; None where the search is refused.
        nearest: [k] int64, what "ball" keeps; it differs from `index` only where "first" is chosen.
        within: how many points lie within the radius, the query included.
        refusal: what knn says where it refuses, "" where it does not.

    Raises:
        traitlets.TraitError: points that are not [N, 3], empty or not finite; a query that is no
            row, k or radius out of range, an unknown method.

    Example:
        >>> line = [[0.0, 0, 0], [0.4, 0, 0], [0.1, 0, 0], [9, 0, 0]]
        >>> explorer = NeighbourExplorer(line, query=0, method="ball", k=2, radius=0.5)
        >>> explorer.index, explorer.distance
        (tensor([0, 2]), tensor([0.0000, 0.1000], dtype=torch.float64))
        >>> explorer.method = "first"
        >>> explorer.index
        tensor([0, 1])
    """

    _esm = front_end("neighbour_explorer.js", "space.js", "clouds.js")

    cloud = Cloud().tag(sync=True)
    query = traitlets.Int(0).tag(sync=True)
    method = traitlets.Enum(["knn", "ball", "first"], "ball").tag(sync=True)
    k = traitlets.Int(6).tag(sync=True)
    radius = traitlets.Float(0.45).tag(sync=True)
    caption = traitlets.Unicode(
        "Tap a point to make it the query, turn the cloud, and widen the radius until the −1s are "
        "gone. Then choose *first K*: the same ball, but the row fills up in storage order, which "
        "in a scan means from one side. Squares are kept although nearer points, ringed, are left "
        "out."
    ).tag(sync=True)
    alt = traitlets.Unicode(
        "Points that a laser scanner measured at the corner of a street. Lines lead from a query "
        "point to its neighbours, a circle shows the radius, and a table below has the row of "
        "their indices, with −1 where there are too few, and their distances."
    ).tag(sync=True)
    height = traitlets.List([774, 666, 646]).tag(sync=True)

    def __init__(self, points: Any = None, query: int | None = None, **rest: Any):
        if points is None:
            points = street_patch((2, -5, -3), (9, 4.6, 2), 0.25)
            query = START if query is None else query
        super().__init__(cloud=points, query=query or 0, **rest)

    @traitlets.validate("query")
    def _a_row(self, proposal: dict) -> int:
        return check_row("query", proposal["value"], len(self.points))

    @traitlets.validate("k")
    def _a_few(self, proposal: dict) -> int:
        if not 1 <= proposal["value"] <= MOST:
            raise traitlets.TraitError(f"k: got {proposal['value']}, wanted 1 … {MOST}")
        return proposal["value"]

    @traitlets.validate("radius")
    def _above_zero(self, proposal: dict) -> float:
        if not 0 < proposal["value"] < float("inf"):
            raise traitlets.TraitError(
                f"radius: got {proposal['value']}, wanted a finite number above 0"
            )
        return proposal["value"]

    @traitlets.observe("cloud")
    def _query_of_this_cloud(self, change: dict) -> None:
        if self.query >= len(self.points):
            self.query = 0

    @property
    def points(self) -> Float[Tensor, "N 3"]:
        return to_points(self.cloud)

    @property
    def index(self) -> Int[Tensor, "k"] | None:
        return None if self.refusal else self._search()[1]

    @property
    def distance(self) -> Float[Tensor, "k"] | None:
        return None if self.refusal else self._search()[0]

    @property
    def nearest(self) -> Int[Tensor, "k"] | None:
        if self.method == "knn":
            return self.index
        return ball_query(*self._positions, self.radius, self.k)[1][0, 0]

    @property
    def within(self) -> int:
        return int((self._distances() <= self.radius).sum())

    @property
    def refusal(self) -> str:
        try:
            self._search()
        except ValueError as error:
            return str(error)
        return ""

    @property
    def _positions(self) -> tuple[Tensor, Tensor]:
        """The query [1, 1, 3] and the points [1, N, 3]; float64, as the front end counts."""
        points = self.points.double()[None]
        return points[:, self.query : self.query + 1], points

    def _distances(self) -> Float[Tensor, "N"]:
        query, points = self._positions
        return torch.linalg.vector_norm(query - points, dim=2)[0]

    def _search(self) -> tuple[Tensor, Tensor]:
        if self.method == "knn":
            distance, index = knn(*self._positions, self.k)
            return distance[0, 0], index[0, 0]
        if self.method == "ball":
            distance, index = ball_query(*self._positions, self.radius, self.k)
            return distance[0, 0], index[0, 0]
        return first_within(self._distances(), self.radius, self.k)


def first_within(
    distances: Float[Tensor, "N"], radius: float, k: int
) -> tuple[Float[Tensor, "k"], Int[Tensor, "k"]]:
    """The first k points within the radius, as a loop over the points would find them.

    Example:
        >>> first_within(torch.tensor([0.4, 0.9, 0.1]), 0.5, 3)
        (tensor([0.4000, 0.1000,    inf]), tensor([ 0,  2, -1]))
    """
    index = distances.new_full((k,), -1, dtype=torch.int64)
    distance = distances.new_full((k,), float("inf"))
    found = (distances <= radius).nonzero()[:k, 0]
    index[: len(found)] = found
    distance[: len(found)] = distances[found]
    return distance, index
