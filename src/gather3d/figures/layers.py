"""What a picture is made of: each function turns tensors into one layer, a plotly trace.

Layers in space go into `scene`; layers in the plane go into `chart`, or over an `image`.
Positions are x, y, z in metres. (Voxel coordinates are z, y, x: turn them round first,
`centres = (coords[:, [3, 2, 1]] + 0.5) * voxel_size + origin`.)
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from .inputs import column, coordinates, evenly, numbers, shortened
from .palette import DASHES, SCALE, SYMBOLS, colour

# --- in space --------------------------------------------------------------------------------


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
) -> go.Scatter3d | go.Scatter:
    """A straight line from each start to its end, all in one trace.

    Args:
        start: `[N, 3]` for a scene, `[N, 2]` for a chart or an image.
        end: of the same shape.

    Raises:
        ValueError: the two shapes differ, or a coordinate is NaN.
    """
    start, end = _pair(start, end)
    path = np.full((len(start), 3, start.shape[1]), np.nan)
    path[:, 0], path[:, 1] = start, end
    return _path(path.reshape(-1, start.shape[1]), role, name, width, opacity)


def arrows(
    start: Any,
    end: Any,
    *,
    role: str = "index",
    name: str | None = None,
    width: float = 3,
    head: float = 0.25,
    opacity: float = 1.0,
) -> go.Scatter3d | go.Scatter:
    """An arrow from each start to its end, all in one trace.

    Args:
        start: `[N, 3]` for a scene, `[N, 2]` for a chart or an image.
        end: of the same shape.
        head: the head's length as a share of the arrow's (long arrows: of the median arrow's).

    Raises:
        ValueError: the two shapes differ, or a coordinate is NaN.
    """
    start, end = _pair(start, end)
    along = end - start
    length = np.linalg.norm(along, axis=1, keepdims=True)
    head = head * np.minimum(length, np.median(length)) / np.maximum(length, 1e-12)
    back, side = -along * head, _across(along) * head * 0.4
    path = np.full((len(start), 6, start.shape[1]), np.nan)
    path[:, 0], path[:, 1] = start, end
    path[:, 2], path[:, 3], path[:, 4] = end + back + side, end, end + back - side
    return _path(path.reshape(-1, start.shape[1]), role, name, width, opacity)


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


# --- in the plane ----------------------------------------------------------------------------


def line(
    x: Any,
    y: Any,
    *,
    role: str = "source",
    name: str | None = None,
    width: float = 2,
    dots: bool = False,
) -> go.Scatter:
    """A line through (x, y), with a dot at each value if `dots`."""
    x, y = _xy(x, y)
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers" if dots else "lines",
        line={"color": colour(role), "width": width, "dash": DASHES[role]},
        marker={"color": colour(role), "symbol": SYMBOLS[role], "size": 7},
        **_naming(name, "values", len(x), len(x)),
    )


def bars(
    x: Any,
    y: Any,
    *,
    role: str = "source",
    name: str | None = None,
    text: list[str] | None = None,
) -> go.Bar:
    """A bar of height y at each x; x may be a list of words.

    Args:
        text: what to write on each bar.
    """
    y = numbers(y, "y")
    x = list(x) if _is_words(x) else numbers(x, "x")
    if y.ndim != 1 or len(x) != len(y):
        raise ValueError(
            f"x and y: got {len(x)} and {list(y.shape)} values, wanted as many of each"
        )
    hatch = {"missing": "/", "wrong": "x"}.get(role, "")
    return go.Bar(
        x=x if isinstance(x, list) else compact_axis(x),
        y=compact_axis(y),
        text=text,
        marker={"color": colour(role), "pattern": {"shape": hatch}},
        **_naming(name, "bars", len(y), len(y)),
    )


def markers(
    x: Any,
    y: Any,
    values: Any = None,
    *,
    role: str = "source",
    name: str | None = None,
    size: float = 6,
    limit: int = 4000,
    colors: Any = None,
    scale: str | list[str] = SCALE,
    label: str = "",
    limits: tuple[float, float] | None = None,
    hover: list[str] | None = None,
    opacity: float = 1.0,
) -> go.Scatter:
    """A marker at each (x, y): the flat sister of `points`, with the same arguments."""
    x, y = _xy(x, y)
    total = len(x)
    keep = evenly(total, limit)
    marker = _marker(total, keep, values, colors, role, size, scale, label, limits)
    if values is None and colors is None:
        marker["symbol"] = SYMBOLS[role]
    return go.Scatter(
        x=x[keep],
        y=y[keep],
        mode="markers",
        marker=marker,
        opacity=opacity,
        **_naming(name, "points", len(keep), total),
        **_hover(hover, keep, values is not None, label),
    )


# --- helpers ---------------------------------------------------------------------------------


def compact_axis(values: np.ndarray) -> np.ndarray:
    """Numbers along an axis, in float64: float32 would show 0.1 as 0.10000000149."""
    return values.astype(np.float64) if values.dtype.kind == "f" else values


def _xy(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = numbers(x, "x"), numbers(y, "y")
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y: got {list(x.shape)} and {list(y.shape)}, wanted [N] twice")
    if len(x) == 0:
        raise ValueError("x and y: got no values, wanted at least one")
    return compact_axis(x), compact_axis(y)


def _is_words(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(isinstance(word, str) for word in x)


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


def _path(path: np.ndarray, role: str, name: str | None, width: float, opacity: float):
    look = {
        "mode": "lines",
        "line": {"color": colour(role), "width": width, "dash": DASHES[role]},
        "hoverinfo": "skip",
        "opacity": opacity,
        **_naming(name, "lines", 1, 1),
    }
    path = shortened(path)
    if path.shape[1] == 2:
        return go.Scatter(x=path[:, 0], y=path[:, 1], **look)
    return go.Scatter3d(x=path[:, 0], y=path[:, 1], z=path[:, 2], **look)


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
        marker["color"] = _own_colours(colors, total)[keep].tolist()
    else:
        marker["color"] = colour(role)
    return marker


def _own_colours(colors: Any, total: int) -> np.ndarray:
    rgb = numbers(colors, "colors")
    if rgb.shape != (total, 3):
        raise ValueError(f"colors: got shape {list(rgb.shape)}, wanted [{total}, 3]")
    if rgb.dtype.kind == "f":
        rgb = (rgb * 255).round()
    rgb = rgb.clip(0, 255).astype(np.int64)
    return np.array([f"#{r:02x}{g:02x}{b:02x}" for r, g, b in rgb])


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
    """The legend's entry, which admits it when not everything is drawn."""
    if drawn < total:
        name = f"{name or things}: {drawn:,} of {total:,}"
    return {"name": name or things, "showlegend": name is not None}


def _hover(hover: list[str] | None, keep: np.ndarray, valued: bool, label: str) -> dict[str, Any]:
    if hover is not None:
        return {"text": [hover[k] for k in keep], "hoverinfo": "text"}
    if valued:
        return {"hovertemplate": f"%{{marker.color:.4g}} {label}<extra></extra>"}
    return {}
