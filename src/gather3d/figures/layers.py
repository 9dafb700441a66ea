"""What a picture in space is made of: each function turns tensors into one layer, a plotly trace.

Layers go into `scene`; `segments` and `arrows` of two columns, into `chart` and over an `image`.
Positions are x, y, z in metres. (Voxel coordinates are z, y, x: turn them round first,
`centres = (coords[:, [3, 2, 1]] + 0.5) * voxel_size + origin`.)
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from .inputs import column, coordinates, entry, evenly, numbers, own_colours, shortened
from .marks import Layer, path
from .palette import DASHES, SCALE, SYMBOLS, colour


def points(
    xyz: Any,
    values: Any = None,
    *,
    role: str = "source",
    name: str | None = None,
    size: float = 2,
    limit: int = 4000,
    colors: Any = None,
    scale: str | list[str] = SCALE,
    label: str = "",
    limits: tuple[float, float] | None = None,
    hover: list[str] | None = None,
    opacity: float = 1.0,
) -> go.Scatter3d:
    """A point cloud.

    Args:
        xyz: positions `[N, 3]`, metres.
        values: one number a point `[N]`, shown by colour on `scale`, with a bar named `label`.
        role: what the points mean; decides colour and marker where there are no values.
        name: an entry in the legend.
        size: of a marker, in pixels.
        limit: draw at most so many points, evenly spaced in their order; the name says so.
        colors: the points' own colours `[N, 3]`, 0 to 255 (or 0 to 1 if floats).
        limits: the values at the two ends of the scale.
        hover: a text for each point.

    Raises:
        ValueError: wrong shape, no points, or NaN among the coordinates.
    """
    xyz = coordinates(xyz, "xyz")
    total = len(xyz)
    keep = evenly(total, limit)
    shown = shortened(xyz[keep])
    marker = _marker(total, keep, values, colors, role, size, scale, label, limits)
    if values is None and colors is None:
        marker["symbol"] = SYMBOLS[role]
    return go.Scatter3d(
        x=shown[:, 0],
        y=shown[:, 1],
        z=shown[:, 2],
        mode="markers",
        marker=marker,
        opacity=opacity,
        **_naming(name, "points", len(keep), total),
        **_hover(hover, keep, values is not None, label),
    )


def cubes(
    centres: Any,
    size: float | tuple[float, float, float],
    values: Any = None,
    *,
    role: str = "result",
    name: str | None = None,
    opacity: float = 1.0,
    limit: int = 1500,
    scale: str | list[str] = SCALE,
    label: str = "",
    limits: tuple[float, float] | None = None,
) -> go.Mesh3d:
    """Voxels, all in one mesh; faces between two drawn voxels are left out.

    Args:
        centres: the voxels' centres `[V, 3]`, x, y, z, metres.
        size: the edge of a voxel, metres; or its three edges (x, y, z).
        values: one number a voxel `[V]`, shown by colour on `scale`, with a bar named `label`.
        role: what the voxels mean, where there are no values.
        limit: draw at most so many, evenly spaced in their order; the name says so.

    Raises:
        ValueError: wrong shape, no voxels, NaN, or a size that is not positive.
    """
    centres = coordinates(centres, "centres")
    edges = _edges(size)
    total = len(centres)
    keep = evenly(total, limit)
    corners, quads, owner = _boxes(centres[keep], edges)
    look: dict[str, Any] = {"color": colour(role)}
    if values is not None:
        shown = column(values, "values", total)[keep][owner]
        look = {
            "intensity": np.repeat(shown, 2),
            "intensitymode": "cell",
            "colorscale": scale,
            "colorbar": _bar(label),
            **_ends(limits, "cmin", "cmax"),
        }
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    naming = _naming(name, "voxels", len(keep), total)
    return _mesh(corners, faces, True, opacity, look, naming)


def wire(
    centres: Any,
    size: float | tuple[float, float, float],
    *,
    role: str = "context",
    name: str | None = None,
    width: float = 2,
    limit: int = 1000,
    opacity: float = 1.0,
) -> go.Scatter3d:
    """The outlines of boxes: the edges of voxels, or of one large grid.

    Args:
        centres: `[V, 3]`, x, y, z, metres.
        size: the edge of a box, metres; or its three edges (x, y, z).
    """
    centres = coordinates(centres, "centres")
    edges = _edges(size)
    total = len(centres)
    keep = evenly(total, limit)
    signs = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)])
    corners = centres[keep, None, :] + signs * edges / 2
    pairs = np.array([[a, a | bit] for bit in (1, 2, 4) for a in range(8) if not a & bit])
    ends = corners[:, pairs].reshape(-1, 2, 3)
    _, once = np.unique(_places(ends, edges).reshape(-1, 6), axis=0, return_index=True)
    ends = ends[once]
    trace = segments(ends[:, 0], ends[:, 1], role=role, width=width, opacity=opacity)
    return trace.update(**_naming(name, "boxes", len(keep), total))


def segments(
    start: Any,
    end: Any,
    *,
    role: str = "index",
    name: str | None = None,
    width: float = 3,
    opacity: float = 1.0,
) -> go.Scatter3d | Layer:
    """A straight line from each start to its end, all in one layer.

    Args:
        start: `[N, 3]` for a scene, `[N, 2]` for a chart or an image.
        end: of the same shape.

    Raises:
        ValueError: the two shapes differ, or a coordinate is NaN.
    """
    start, end = _pair(start, end)
    ends = np.full((len(start), 3, start.shape[1]), np.nan)
    ends[:, 0], ends[:, 1] = start, end
    return _path(ends.reshape(-1, start.shape[1]), role, name, width, opacity)


def arrows(
    start: Any,
    end: Any,
    *,
    role: str = "index",
    name: str | None = None,
    width: float = 3,
    head: float = 0.25,
    opacity: float = 1.0,
    dash: str | None = None,
) -> go.Scatter3d | Layer:
    """An arrow from each start to its end, all in one layer.

    Args:
        start: `[N, 3]` for a scene, `[N, 2]` for a chart or an image.
        end: of the same shape.
        head: the head's length as a share of the arrow's (long arrows: of the median arrow's).
        dash: "solid", "dot" or "dash", if not that of the role.

    Raises:
        ValueError: the two shapes differ, or a coordinate is NaN.
    """
    start, end = _pair(start, end)
    along = end - start
    length = np.linalg.norm(along, axis=1, keepdims=True)
    head = head * np.minimum(length, np.median(length)) / np.maximum(length, 1e-12)
    back, side = -along * head, _across(along) * head * 0.4
    ends = np.full((len(start), 6, start.shape[1]), np.nan)
    ends[:, 0], ends[:, 1] = start, end
    ends[:, 2], ends[:, 3], ends[:, 4] = end + back + side, end, end + back - side
    return _path(ends.reshape(-1, start.shape[1]), role, name, width, opacity, dash)


def mesh(
    vertices: Any,
    faces: Any,
    values: Any = None,
    *,
    role: str = "source",
    name: str | None = None,
    opacity: float = 1.0,
    scale: str | list[str] = SCALE,
    label: str = "",
    limits: tuple[float, float] | None = None,
) -> go.Mesh3d:
    """A surface of triangles.

    Args:
        vertices: `[N, 3]`, x, y, z, metres.
        faces: three rows of `vertices` a triangle, `[F, 3]`.
        values: one number a vertex `[N]`, shown by colour on `scale`.

    Raises:
        ValueError: wrong shape, or a face that names a vertex that is not there.
    """
    vertices = coordinates(vertices, "vertices")
    faces = numbers(faces, "faces")
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise ValueError(f"faces: got {faces.dtype} {list(faces.shape)}, wanted integers [F, 3]")
    if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise ValueError(
            f"faces: got rows {faces.min()} to {faces.max()}, wanted 0 to {len(vertices) - 1}"
        )
    look: dict[str, Any] = {"color": colour(role)}
    if values is not None:
        look = {
            "intensity": column(values, "values", len(vertices)),
            "colorscale": scale,
            "colorbar": _bar(label),
            **_ends(limits, "cmin", "cmax"),
        }
    naming = _naming(name, "faces", len(faces), len(faces))
    return _mesh(vertices, faces, False, opacity, look, naming)


# --- helpers ---------------------------------------------------------------------------------


def _pair(start: Any, end: Any) -> tuple[np.ndarray, np.ndarray]:
    start = coordinates(start, "start", (2, 3))
    end = coordinates(end, "end", (2, 3))
    if start.shape != end.shape:
        raise ValueError(f"start and end: got {list(start.shape)} and {list(end.shape)}")
    return start, end


def _across(along: np.ndarray) -> np.ndarray:
    """A vector of the same length, at a right angle (level with the ground where it can be)."""
    if along.shape[1] == 2:
        return along[:, ::-1] * np.array([-1, 1])
    side = np.cross(along, [0.0, 0.0, 1.0])
    steep = np.linalg.norm(side, axis=1) < 1e-3 * np.linalg.norm(along, axis=1)
    side[steep] = np.cross(along[steep], [1.0, 0.0, 0.0])
    length = np.linalg.norm(side, axis=1, keepdims=True)
    return side / np.maximum(length, 1e-12) * np.linalg.norm(along, axis=1, keepdims=True)


def _path(
    places: np.ndarray,
    role: str,
    name: str | None,
    width: float,
    opacity: float,
    dash: str | None = None,
) -> go.Scatter3d | Layer:
    dash = dash or DASHES[role]
    if places.shape[1] == 2:
        return path(places, role, name, width, opacity, dash)
    places = shortened(places)
    return go.Scatter3d(
        x=places[:, 0],
        y=places[:, 1],
        z=places[:, 2],
        mode="lines",
        line={"color": colour(role), "width": width, "dash": dash},
        hoverinfo="skip",
        opacity=opacity,
        **_naming(name, "lines", 1, 1),
    )


def _mesh(
    vertices: np.ndarray, faces: np.ndarray, flat: bool, opacity: float, look: dict, naming: dict
) -> go.Mesh3d:
    faces = faces.astype(np.uint16 if len(vertices) < 2**16 else np.int32)
    vertices = shortened(vertices)
    return go.Mesh3d(
        x=vertices[:, 0],
        y=vertices[:, 1],
        z=vertices[:, 2],
        i=faces[:, 0],
        j=faces[:, 1],
        k=faces[:, 2],
        opacity=opacity,
        flatshading=flat,
        lighting={
            "ambient": 0.65,
            "diffuse": 0.6,
            "specular": 0,
            "fresnel": 0,
            # The defaults drop small triangles: coordinates may be in any unit.
            "facenormalsepsilon": 0,
            "vertexnormalsepsilon": 0,
        },
        lightposition={"x": 2000, "y": -4000, "z": 8000},
        hoverinfo="skip",
        **look,
        **naming,
    )


def _edges(size: Any) -> np.ndarray:
    edges = np.broadcast_to(np.asarray(numbers(size, "size"), dtype=np.float64), (3,))
    if not (np.isfinite(edges).all() and (edges > 0).all()):
        raise ValueError(f"size: got {size}, wanted positive metres")
    return edges


def _boxes(centres: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners `[P, 3]`, faces of four corners `[F, 4]`, and the box that each face belongs to."""
    signs = np.array([[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1],
                      [-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])  # fmt: skip
    sides = np.array([[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4],
                      [2, 3, 7, 6], [0, 4, 7, 3], [1, 2, 6, 5]])  # fmt: skip
    middle = centres[:, None, :] + signs[sides].mean(axis=1) * edges / 2  # [V, 6, 3]
    # A side that two boxes share has one middle, and lies between them where nobody sees it.
    where = _places(middle, edges).reshape(-1, 3)
    _, inverse, counts = np.unique(where, axis=0, return_inverse=True, return_counts=True)
    seen = np.flatnonzero(counts[inverse.reshape(-1)] == 1)
    owner, side = seen // 6, seen % 6
    corner = centres[owner, None, :] + signs[sides[side]] * edges / 2  # [F, 4, 3]
    where = _places(corner, edges).reshape(-1, 3)
    _, once, inverse = np.unique(where, axis=0, return_index=True, return_inverse=True)
    return corner.reshape(-1, 3)[once], inverse.reshape(-1, 4), owner


def _places(positions: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Whole numbers that are equal where positions are, to a small part of a box's edge."""
    return (positions / edges * 64 + 0.25).round().astype(np.int64)


def _marker(total, keep, values, colors, role, size, scale, label, limits) -> dict[str, Any]:
    if values is not None and colors is not None:
        raise ValueError("values and colors: got both, wanted one of them")
    marker: dict[str, Any] = {"size": size, "line": {"width": 0}}
    if values is not None:
        marker |= {
            "color": column(values, "values", total)[keep],
            "colorscale": scale,
            "showscale": True,
            "colorbar": _bar(label),
            **_ends(limits, "cmin", "cmax"),
        }
    elif colors is not None:
        marker["color"] = own_colours(colors, total)[keep].tolist()
    else:
        marker["color"] = colour(role)
    return marker


def _bar(label: str) -> dict[str, Any]:
    """A level colour bar, so that a narrow screen keeps its width; the picture puts it in place."""
    return {
        "orientation": "h",
        "thickness": 10,
        "yanchor": "top",
        "outlinewidth": 0,
        "title": {"text": label, "side": "top"},
    }


def _ends(limits: tuple[float, float] | None, low: str, high: str) -> dict[str, float]:
    return {} if limits is None else {low: float(limits[0]), high: float(limits[1])}


def _naming(name: str | None, things: str, drawn: int, total: int) -> dict[str, Any]:
    """The legend's entry; plotly wants a name also where it shows none."""
    shown = entry(name, things, drawn, total)
    return {"name": shown or things, "showlegend": shown is not None}


def _hover(hover: list[str] | None, keep: np.ndarray, valued: bool, label: str) -> dict[str, Any]:
    if hover is not None:
        return {"text": [hover[k] for k in keep], "hoverinfo": "text"}
    if valued:
        return {"hovertemplate": f"%{{marker.color:.4g}} {label}<extra></extra>"}
    return {}
