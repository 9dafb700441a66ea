// SampleExplorer: a position between voxels, its eight corners, and what three ways of reading make of it.

const SAMPLE = `
.g3x-look{flex:1 1 300px;min-width:0;max-width:420px}
.g3x-views{display:flex;gap:12px;align-items:flex-start}
.g3x-corners{flex:1 1 290px;min-width:0;max-width:420px}
.g3x-corners table{width:100%;border-collapse:collapse;font:inherit;font-variant-numeric:tabular-nums;margin:0;color:inherit}
.g3x-corners :is(th,td){text-align:right;padding:0 .35rem;height:26px;border:0;background:none;font-weight:400;white-space:nowrap}
.g3x-corners thead th,.g3x-corners tfoot td{font-weight:600;box-shadow:inset 0 -1px var(--line-c)}
.g3x-corners th:first-child{text-align:left}
.g3x-corners .w{width:40%;text-align:left;padding:3px .35rem}
.g3x-corners .w span{display:block;border-left:2px solid var(--index-c);padding-left:.35rem;
  background:linear-gradient(90deg,color-mix(in srgb,var(--index-c) 55%,transparent) var(--w),transparent var(--w))}
.g3x-corners .none{opacity:.8}
.g3x-corners td.v{background:color-mix(in srgb,var(--source-c) 16%,transparent);box-shadow:inset 3px 0 var(--source-c)}`;

const corner = (k) => `<tr><th scope="row" data-value="corner-${k}"></th><td class="v" data-value="voxel-${k}"></td>
  <td class="w"><span data-value="weight-${k}"></span></td><td data-value="part-${k}"></td></tr>`;
const row = (name) => `<span data-value="${name}-label"></span><span data-value="${name}"></span>`;
const PANEL = `<div class="g3x-look"><div class="g3x-views"></div><p class="g3x-legend">
  <span><b class="index">◆</b> you read here</span><span><b class="source">◓</b> weight in the slice before, <b class="source">◒</b> after</span>
  <span><b class="result">➜</b> brighter</span><span><b class="wrong">◌</b> same grid, other flag</span></p></div>
  <div class="g3x-corners"><table><thead><tr><th scope="col">corner (z, y, x)</th><th scope="col">voxel</th><th scope="col" class="w">weight</th>
  <th scope="col">product</th></tr></thead><tbody>${[0, 1, 2, 3, 4, 5, 6, 7].map(corner).join("")}</tbody>
  <tfoot><tr><td colspan="3">what you read</td><td class="result g3x-total" data-value="value"></td></tr></tfoot></table>
  <div class="g3x-facts">${["gradient", "grid", "elsewhere", "value_elsewhere"].map(row).join("")}</div></div>`;

const UNIT = 44;
const AXES = ["z", "y", "x"];
const KEYS = { ArrowUp: [1, -1], ArrowDown: [1, 1], ArrowLeft: [2, -1], ArrowRight: [2, 1], PageUp: [0, -1], PageDown: [0, 1] };
const ALONG_Z = { ...KEYS, ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** The number that grid_sample wants for voxel c of n, and the voxel that it makes of it. */
const normalised = (c, n, align) => (align ? (2 * c) / (n - 1) - 1 : (2 * c + 1) / n - 1);
const voxelOf = (g, n, align) => (align ? ((g + 1) * (n - 1)) / 2 : ((g + 1) * n - 1) / 2);

/** What is wrong with these traits, in words. */
function faultOf(volume, coords) {
  const [D, H, W] = [volume.length, volume[0]?.length, volume[0]?.[0]?.length];
  const numbers = volume.flat(2).filter(Number.isFinite);
  if (!(D > 1 && H > 1 && W > 1) || numbers.length !== D * H * W) return "volume: wanted finite numbers [D, H, W], at least 2 along each axis";
  if (coords.length !== 3 || !coords.every(Number.isFinite)) return `coords: got [${coords}], wanted three finite numbers (z, y, x)`;
  return "";
}

const between = (low, c, high) => Math.min(high, Math.max(low, c));
const tuple = (numbers) => `(${numbers.map((v) => say(v)).join(", ")})`;

export default {
  render({ model, el }) {
    const view = frame(model, el, "SampleExplorer: reading a volume between its voxels");
    view.root.prepend(make("style", {}, SAMPLE));
    let typed = "", volume = {};

    function move(changes) {
      typed = "";
      view.set({ coords: model.get("coords").map((c, a) => changes[a] ?? c) });
      view.repaint();
    }
    const step = (axis, by) => move({ [axis]: Number((model.get("coords")[axis] + by).toFixed(4)) });
    const walk = (keys) => ({ key, shiftKey }) => {
      if (key in keys) step(keys[key][0], keys[key][1] * (shiftKey ? 0.5 : 0.05));
      return key in keys;
    };

    // ---- controls

    choice(view, "mode", "read", Object.keys({ ...WHOLE, trilinear: 0 }).map((mode) => [mode, mode]));
    choice(view, "align_corners", "align_corners", [[true, "True"], [false, "False"]]);
    const fields = AXES.map((axis, a) => {
      const field = make("input.g3x-cell.index", { type: "text", inputMode: "decimal", autocomplete: "off", "data-control": axis, style: "width:4rem" });
      view.listen(field, "change", () => {
        const number = Number(field.value.trim().replace("−", "-"));
        if (field.value.trim() && Number.isFinite(number)) return move({ [a]: number });
        typed = `coords: got ${JSON.stringify(field.value)} for ${axis}, wanted a finite number`;
        view.repaint();
      });
      view.listen(field, "keydown", (event) => {
        if (event.key === "Escape") field.blur();
        if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
        event.preventDefault();
        step(a, event.key === "ArrowUp" ? 0.05 : -0.05);
      });
      return field;
    });
    view.controls.append(make("fieldset", {}, make("legend", {}, "position"), ...AXES.map((axis, a) => make("label", {}, axis, fields[a]))));

    // ---- the pictures and the table

    const write = written(view.stage, PANEL);
    const slice = plane(view, "slice", {
      label: "position: arrow keys move y and x by 0.05, with Shift by 0.5; Page Up and Page Down move z",
      unit: UNIT, fine: 12, onkey: walk(KEYS), onpoint: (y, x) => move({ 1: y, 2: x }),
    });
    const depth = plane(view, "depth", {
      label: "position along z", role: "slider", unit: UNIT, fine: 12, onkey: walk(ALONG_Z), onpoint: (z) => move({ 0: z }),
    });
    view.stage.querySelector(".g3x-views").append(slice.el, depth.el);
    for (const { handle } of [slice, depth]) {
      handle.innerHTML = '<circle r="24" fill="#0000"/><path d="M0-9L9 0L0 9L-9 0Z" style="fill:var(--index-c);stroke:#000;stroke-width:1.5"/>';
    }

    function paint() {
      const raw = model.get("volume"), coords = model.get("coords");
      const fault = faultOf(raw, coords);
      view.refuse(typed || fault);
      if (fault) return;
      if (volume.raw !== raw) {
        const data = raw.flat(2), least = Math.min(0, ...data);
        volume = { raw, data, shape: [raw.length, raw[0].length, raw[0][0].length], key: (volume.key ?? 0) + 1, least, range: Math.max(...data) - least || 1 };
      }
      const align = model.get("align_corners"), mode = model.get("mode");
      const grid = coords.map((c, a) => normalised(c, volume.shape[a], align));
      const other = grid.map((g, a) => voxelOf(g, volume.shape[a], !align));
      const now = reading(volume, mode, coords);
      tell(now, coords, grid, other, reading(volume, mode, other).value, mode, align);
      picture(now, coords, other, mode, align);
    }

    function tell({ corners, whole, value, gradient }, coords, grid, other, there, mode, align) {
      coords.forEach((c, a) => { if (!typed || document.activeElement !== fields[a]) fields[a].value = say(c, 6); });
      corners.forEach((each, k) => {
        write(`corner-${k}`, tuple(each.at)).parentElement.className = each.weight && each.inside ? "" : "none";
        write(`voxel-${k}`, each.inside ? say(each.value) : "none: 0");
        write(`weight-${k}`, say(each.weight)).style.setProperty("--w", `${100 * each.weight}%`);
        write(`part-${k}`, say(each.weight * each.value));
      });
      write("value", say(value));
      const fact = (name, label, text) => { write(`${name}-label`, label); write(name, text); };
      fact("gradient", "gradient (z, y, x)", tuple(gradient));
      fact("grid", "grid (x, y, z)", tuple([...grid].reverse()));
      fact("elsewhere", `read with ${align ? "False" : "True"}: (z, y, x)`, tuple(other));
      fact("value_elsewhere", "and the value there", say(there));
      const outside = corners.filter((each) => !each.inside).length;
      const found = whole?.every((c, a) => c >= 0 && c < volume.shape[a]);
      view.line(!whole ? `trilinear_sample(volume, ${tuple(coords)}) = ${say(value)}`
        : `coords.${mode === "nearest" ? "round()" : "long()"} = ${tuple(whole)}: ${found ? `volume[${whole.join(", ")}] = ${say(value)}` : "outside, so 0"}`);
      view.say(`${outside ? `${outside} of 8 corners are outside and count as 0. ` : ""}${
        whole ? "One voxel has all the say. A small move changes nothing: the gradient is 0, the position cannot learn."
          : gradient.some(Boolean) ? "The arrow points to where it is brighter: the position can learn." : "It is level here: the gradient is 0."
      } With the other align_corners the same grid reads ${say(Math.hypot(...other.map((c, a) => c - coords[a])), 2)} voxels away.`);
    }

    function picture({ corners, gradient }, [z, y, x], other, mode, align) {
      const [D, H, W] = volume.shape, snap = WHOLE[mode] ?? ((c) => c);
      const grey = (a, b, c) => (valueBetween(volume, snap(a), snap(b), snap(c)) - volume.least) / volume.range;
      slice.window(-1, -1, H + 1, W + 1);
      slice.paint(`${volume.key} ${mode} ${snap(z)}`, (b, c) => grey(z, b, c));
      depth.window(-1, -0.7, D + 1, 1.4);
      depth.paint(`${volume.key} ${mode} ${snap(y)} ${snap(x)}`, (a) => grey(a, y, x));
      for (const [name, number] of Object.entries({ min: -1, max: D, now: between(-1, z, D) })) depth.svg.setAttribute(`aria-value${name}`, number);

      const here = slice.at(between(-1, y, H), between(-1, x, W)), height = depth.at(between(-1, z, D), 0);
      slice.handle.setAttribute("transform", `translate(${here})`);
      depth.handle.setAttribute("transform", `translate(${height})`);
      const box = (y0, x0, y1, x1, style) => path(`M${slice.at(y0, x0)}H${slice.at(y0, x1)[0]}V${slice.at(y1, x1)[1]}H${slice.at(y1, x0)[0]}Z`, style);
      const half = ({ at, weight, inside }, k) => {
        const [px, py] = slice.at(at[1], at[2]), r = 20 * Math.sqrt(weight);
        return path(`M${px - r} ${py}A${r} ${r} 0 0 ${k < 4 ? 1 : 0} ${px + r} ${py}Z`,
          inside ? "fill:var(--source-c);stroke:#fff;stroke-width:1.5" : "stroke:#aaa;stroke-width:1.5;stroke-dasharray:3");
      };
      const centres = Array.from({ length: H * W }, (_, k) => slice.at(Math.floor(k / W), k % W));
      const edge = align ? 0 : -0.5; // where −1 is, the same on every axis
      const ring = slice.at(between(-1, other[1], H), between(-1, other[2], W));
      const [ky, kx] = [Math.floor(y), Math.floor(x)], steep = (1.6 * UNIT * 2) / volume.range;
      slice.draw(
        box(edge, edge, H - 1 - edge, W - 1 - edge, "stroke:#fff;stroke-dasharray:5 4;stroke-opacity:.8"),
        words(slice.at(edge, edge), -8, -6, "−1"), words(slice.at(edge, W - 1 - edge), -14, -6, "x: 1"), words(slice.at(H - 1 - edge, edge), -14, 15, "y: 1"),
        ...centres.map((at) => circle(at, 2.5, "fill:var(--source-c);stroke:#fff")),
        box(ky, kx, ky + 1, kx + 1, "stroke:var(--index-c);stroke-width:1.5"),
        box(ky, x, ky + 1, x, "stroke:var(--index-c);stroke-dasharray:3"), box(y, kx, y, kx + 1, "stroke:var(--index-c);stroke-dasharray:3"),
        ...corners.map(half),
        path(`M${here}L${ring}`, "stroke:var(--wrong-c);stroke-width:2"),
        circle(ring, 7, "fill:none;stroke:var(--wrong-c);stroke-width:2.5;stroke-dasharray:3 2"),
        arrowTo(here, [here[0] + gradient[2] * steep, here[1] + gradient[1] * steep], "var(--result-c)"));
      depth.draw(
        ...Array.from({ length: D }, (_, k) => path(`M${depth.at(k, -0.7)}L${depth.at(k, 0.7)}`, "stroke:var(--source-c);stroke-width:2") + words(depth.at(k, -0.7), 3, -4, `z ${k}`)),
        arrowTo(height, [height[0], height[1] + gradient[0] * steep], "var(--result-c)"));
    }

    view.follow("volume coords mode align_corners", view.repaint);
    view.onpaint(paint);
    return view.end;
  },
};
