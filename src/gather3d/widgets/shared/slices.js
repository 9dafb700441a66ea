//#region slices
// For explorables that read a volume between its voxels: the eight corners of a place, and a slice
// as a picture that is painted, pointed at and walked in with the keys. Rows go down, as a printed
// tensor's do.

const SLICES = `
.g3x-plane{position:relative;min-width:0;border-radius:3px}
.g3x-plane>canvas,.g3x-plane>svg{position:absolute;inset:0;width:100%;height:100%;display:block;border-radius:3px}
.g3x-plane>svg{cursor:crosshair;overflow:hidden}
.g3x-plane>svg:focus-visible{overflow:hidden;outline-offset:-2px}
.g3x-plane [data-handle]{cursor:grab;touch-action:none}
.g3x-facts{display:grid;grid-template-columns:1fr max-content;gap:.1rem .5rem;align-items:baseline;margin:.4rem 0 0;font-size:13.5px}
.g3x-facts>*{padding:0 .35rem;font-variant-numeric:tabular-nums}
.g3x-facts>:nth-child(even){text-align:right}
.g3x .g3x-total{font-weight:600;box-shadow:inset 0 -3px var(--c);background:color-mix(in srgb,var(--c) 20%,transparent)}
.g3x-legend{display:flex;flex-wrap:wrap;gap:0 .9rem;margin:.35rem 0 0;font-size:13px}
.g3x-legend b{color:var(--c)}`;

/**
 * The eight corners around a place (z, y, x) of a volume { data, shape }: where each is, its value
 * (0 outside), its weight and the slope of its weight along each axis.
 */
export function cornersAt({ data, shape }, place) {
  const low = place.map(Math.floor);
  const above = place.map((c, a) => c - low[a]);
  return Array.from({ length: 8 }, (_, k) => {
    const upper = [k >> 2, (k >> 1) & 1, k & 1];
    const at = low.map((c, a) => c + upper[a]);
    const share = upper.map((up, a) => (up ? above[a] : 1 - above[a]));
    const inside = at.every((c, a) => c >= 0 && c < shape[a]);
    return {
      at, inside,
      value: inside ? data[(at[0] * shape[1] + at[1]) * shape[2] + at[2]] : 0,
      weight: share[0] * share[1] * share[2],
      slope: upper.map((up, a) => (up ? 1 : -1) * share[(a + 1) % 3] * share[(a + 2) % 3]),
    };
  });
}

/** To the nearest whole number, to the even one from half way, as torch.round does. */
function roundEven(c) {
  const whole = Math.round(c);
  return whole - c === 0.5 && whole % 2 ? whole - 1 : whole;
}
/** How the two modes make a coordinate whole. */
export const WHOLE = { nearest: roundEven, truncated: Math.trunc };

/** What is read at a place: the eight corners with their say, the value, its slope along each axis. */
export function reading(volume, mode, place) {
  const corners = cornersAt(volume, place);
  const whole = WHOLE[mode] && place.map((c) => WHOLE[mode](c) + 0);
  if (whole) for (const each of corners) each.weight = Number(each.at.every((c, a) => c === whole[a]));
  const sum = (term) => corners.reduce((total, each) => total + term(each), 0);
  return {
    corners, whole,
    value: sum(({ weight, value }) => weight * value),
    gradient: [0, 1, 2].map((a) => (whole ? 0 : sum(({ slope, value }) => slope[a] * value))),
  };
}

/** The value at a place, and nothing else: for thousands of places in a picture. */
export function valueBetween({ data, shape: [D, H, W] }, z, y, x) {
  const z0 = Math.floor(z), y0 = Math.floor(y), x0 = Math.floor(x);
  let sum = 0;
  for (let k = 0; k < 8; k++) {
    const kz = z0 + (k >> 2), ky = y0 + ((k >> 1) & 1), kx = x0 + (k & 1);
    if (kz < 0 || kz >= D || ky < 0 || ky >= H || kx < 0 || kx >= W) continue;
    sum += (1 - Math.abs(z - kz)) * (1 - Math.abs(y - ky)) * (1 - Math.abs(x - kx)) * data[(kz * H + ky) * W + kx];
  }
  return sum;
}

/** Elements from text, and write(name, text) for those with data-value="name". */
export function written(parent, text) {
  parent.insertAdjacentHTML("afterbegin", text);
  const found = new Map([...parent.querySelectorAll("[data-value]")].map((el) => [el.dataset.value, el]));
  return (name, words) => {
    const el = found.get(name);
    if (el.textContent !== words) el.textContent = words;
    return el;
  };
}

/** SVG shapes, as text: paths, circles, words, an arrow from one place to another (none where it is too short). */
export function path(d, style) {
  return `<path d="${d}" style="fill:none;${style}"/>`;
}
export function circle([x, y], r, style) {
  return `<circle cx="${x}" cy="${y}" r="${r}" style="${style}"/>`;
}
export function words([x, y], dx, dy, text) {
  return `<text x="${x + dx}" y="${y + dy}" style="font:600 12px system-ui;fill:#fff;stroke:#000;stroke-width:3;paint-order:stroke">${text}</text>`;
}
export function arrowTo([x, y], [u, v], colour, width = 3) {
  const length = Math.hypot(u - x, v - y);
  if (!(length > 3)) return "";
  const [ux, uy] = [(u - x) / length, (v - y) / length], head = Math.min(3.2 * width, length);
  const side = (s) => [u - head * ux - (s * head * uy) / 2, v - head * uy + (s * head * ux) / 2];
  const d = `M${x} ${y}L${u} ${v}L${side(1)}M${u} ${v}L${side(-1)}`;
  return path(d, `stroke:#fff;stroke-opacity:.8;stroke-width:${2 * width}`) + path(d, `stroke:${colour};stroke-width:${width}`);
}

/**
 * A picture of rows and columns. `unit` is the size of a voxel in its drawings, `fine` how many
 * pixels a voxel has. `onpoint(row, column)` is called with the place pointed at, to hundredths, `onkey(event)`
 * with a key. A finger drags from the handle only, so that it can scroll the page from elsewhere.
 */
export function plane(view, name, { label, role = "application", unit, fine, onpoint, onkey }) {
  if (!view.root.querySelector("style[data-slices]")) {
    view.root.insertAdjacentHTML("afterbegin", `<style data-slices>${SLICES}</style>`);
  }
  const el = document.createElement("div");
  el.className = "g3x-plane";
  el.dataset.plane = name;
  el.innerHTML = `<canvas></canvas><svg tabindex="0" role="${role}"><g></g><g data-handle></g></svg>`;
  const [canvas, svg] = el.children;
  if (fine === 1) canvas.style.imageRendering = "pixelated";
  const [drawings, handle] = svg.children;
  svg.setAttribute("aria-label", label);
  let top = 0, left = 0, rows = 0, columns = 0, painted = "", held = false;

  function point(event) {
    const box = svg.getBoundingClientRect();
    const place = [top + ((event.clientY - box.top) / box.height) * rows, left + ((event.clientX - box.left) / box.width) * columns];
    onpoint(...place.map((c) => Number(c.toFixed(2))));
  }
  view.listen(svg, "pointerdown", (event) => {
    if (event.button || (event.pointerType === "touch" && !event.target.closest("[data-handle]"))) return;
    held = true;
    svg.setPointerCapture(event.pointerId);
    point(event);
  });
  view.listen(svg, "pointermove", (event) => { if (held) point(event); });
  for (const type of ["pointerup", "pointercancel"]) view.listen(svg, type, () => { held = false; });
  view.listen(svg, "click", (event) => { if (event.pointerType === "touch") point(event); });
  view.listen(svg, "keydown", (event) => {
    if (event.key === "Escape") svg.blur();
    else if (onkey(event)) event.preventDefault();
  });

  return {
    el, svg, handle,
    /** Replace the drawings by these shapes, given as text. */
    draw: (...shapes) => { drawings.innerHTML = shapes.join(""); },
    /** Show these rows and columns. */
    window(newTop, newLeft, newRows, newColumns) {
      if (newRows !== rows || newColumns !== columns) {
        svg.setAttribute("viewBox", `0 0 ${newColumns * unit} ${newRows * unit}`);
        Object.assign(canvas, { width: Math.round(newColumns * fine), height: Math.round(newRows * fine) });
        Object.assign(el.style, { aspectRatio: `${newColumns} / ${newRows}`, flex: `${newColumns} 1 ${0.4 * newColumns * unit}px`, maxWidth: `${newColumns * unit}px` });
        painted = "";
      }
      [top, left, rows, columns] = [newTop, newLeft, newRows, newColumns];
    },
    /** A place in the drawings' units. */
    at: (row, column) => [(column - left) * unit, (row - top) * unit],
    /** Paint grey, read(row, column) from 0 to 1, unless that picture, named by `key`, is there. */
    paint(key, read) {
      if (key === painted) return;
      painted = key;
      const { width, height } = canvas;
      const picture = new ImageData(width, height), { data } = picture;
      for (let v = 0, i = 0; v < height; v++) {
        for (let u = 0; u < width; u++, i += 4) {
          data[i] = data[i + 1] = data[i + 2] = 255 * read(top + (v + 0.5) / fine, left + (u + 0.5) / fine);
          data[i + 3] = 255;
        }
      }
      canvas.getContext("2d").putImageData(picture, 0, 0);
    },
  };
}
//#endregion
