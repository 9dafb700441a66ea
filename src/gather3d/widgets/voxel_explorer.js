// VoxelExplorer: points, the voxels that hold them, and their places in memory. The rule is `cut`.

const ROUND = { floor: Math.floor, trunc: Math.trunc };
const STEPS = [-1, 0, 1].flatMap((dz) => [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => [dz, dy, dx])));

const CELLS = ".g3x-voxel{min-width:0;display:grid;gap:1rem}.g3x-voxel dl{display:grid;grid-template-columns:auto 1fr;gap:.15rem .8rem}"
  + ".g3x-voxel dd{margin:0;font-variant-numeric:tabular-nums}.g3x-voxel .g3x-cell{min-width:30px;padding:0;font-size:13px}"
  + ".g3x-tape{--c:var(--ink-c);flex:1 1 100%;min-width:0;height:84px;font-size:13px}.g3x-tape text{fill:var(--c)}.g3x-tape path{fill:none;stroke:var(--c);stroke-width:2}"
  + ".g3x-tape rect{fill:var(--c)}.g3x-tape .source{opacity:.5}.g3x-tape .missing{stroke-dasharray:3 3}.g3x-tape .index{fill:var(--c);stroke:var(--ink-c)}";

/** The voxels of a cloud: cells (x, y, z) counted from the scanner, then (z, y, x) from the lowest one. */
function cut(points, size, rounding) {
  const cells = points.map((p) => p.map((c) => ROUND[rounding](c / size) + 0));
  const ends = (end, of) => [0, 1, 2].map((d) => of.reduce((most, cell) => end(most, cell[d]), 0));
  const low = ends(Math.min, cells);
  const zyx = cells.map((cell) => cell.map((c, d) => c - low[d]).reverse());
  const shape = ends(Math.max, zyx).map((most) => most + 1);
  const flatOf = ([z, y, x]) => (z * shape[1] + y) * shape[2] + x;
  const flats = zyx.map(flatOf);
  const active = [...new Set(flats)].sort((a, b) => a - b);
  const rows = new Map(active.map((flat, row) => [flat, row]));
  const inverse = flats.map((flat) => rows.get(flat));
  const coords = [], held = active.map(() => []);
  inverse.forEach((row, n) => { coords[row] ??= zyx[n]; held[row].push(n); });
  const rowAt = (place) => (place.every((c, d) => c >= 0 && c < shape[d]) ? rows.get(flatOf(place)) ?? -1 : -1);
  return { low, shape, flatOf, active, rows, inverse, coords, held, rowAt, cells: shape[0] * shape[1] * shape[2] };
}

/** Where a voxel lies, in metres. Cut off, cell 0 is double and the cells below it lie one further down. */
function boxOf(place, lowest, size, rounding) {
  const cell = lowest.map((c, d) => c + place[2 - d]), cutOff = rounding === "trunc";
  return {
    low: cell.map((c) => (cutOff && c <= 0 ? c - 1 : c) * size),
    high: cell.map((c) => (cutOff && c < 0 ? c : c + 1) * size),
    double: cutOff && (cell[0] === 0 || cell[1] === 0 ? 2 : Number(cell[2] === 0)), // seen from above, or not
  };
}

const centre = ({ low, high }) => low.map((c, d) => (c + high[d]) / 2);
const four = (zyx) => `(0, ${zyx.map((c) => say(c, 16)).join(", ")})`; // b is 0
const by = (tap) => tap.map((k) => k - 1);

export default {
  render({ model, el }) {
    const view = frame(model, el, "VoxelExplorer: which points are in this voxel, and where is it in memory");
    let points = [], now = {}, here = null;

    // ---- controls

    choice(view, "rounding", "cell", [["floor", "floor(p / size)"], ["trunc", "trunc(p / size)"]]);
    range(view, "voxel_size", "size", { min: 0.5, max: 3, step: 0.1, words: (size) => `${say(size)} m` });
    tick(view, "snap", "snap points to cells");
    const snap = glide(view, "snap");
    const go = (row) => { if (now.held?.[row]) view.set({ point: now.held[row][0] }); };
    const step = (by) => go((now.row + by + now.active?.length) % now.active?.length);
    const field = rowField(view, "flat", "flat index", { step, type });

    function type(flat) {
      if (now.refusal) return "";
      if (flat < 0 || flat >= now.cells) return `flat index: got ${flat}, wanted 0 … ${now.cells - 1}`;
      if (now.rows.has(flat)) return go(now.rows.get(flat));
      const [, H, W] = now.shape, place = [flat / W / H, (flat / W) % H, flat % W].map(Math.floor);
      return `flat index ${flat} is ${four(place)}, where no point lies: it has no row`;
    }

    // ---- picture, facts, table and tape

    const scene = space(view, {
      label: "The cloud in its voxels; a tap picks a voxel, the keys n and p the next and the previous one",
      home: [-1.65, 1.2, 1],
      height: 350,
      onpick: (n) => view.set({ point: n }),
      onkey: (event) => field.key(event),
    });
    scene.canvas.parentElement.style.flex = "1 1 340px";
    const facts = make("dl", { style: "margin:0" }), side = make(".g3x-voxel", {}, make("style", {}, CELLS), facts);
    const around = table(view, "neighbours", { kind: "result", note: "[27], dz = −1, 0, 1 side by side", onfocus: (place) => { here = place; view.repaint(); } });
    side.append(around.box);
    const tape = draw("svg", { role: "img", class: "g3x-tape" });
    for (const part of [side, tape]) view.stage.insertBefore(part, view.overlay);
    const signs = legend(view, tape);
    const rowOf = ([z, y, x]) => now.neighbours[9 * z + 3 * y + x];
    const reach = (tap) => tap.map((k, d) => now.place[d] + k - 1);
    onenter(view, around, () => { if (here) go(rowOf(here)); });

    function read() {
      points = cloud(model.get("cloud"));
      scene.bounds(...extent(points, 0.4));
      seek();
    }

    /** The voxels anew where the cells have changed, and what follows from the picked point. */
    function seek() {
      const [size, rounding, point] = ["voxel_size", "rounding", "point"].map((name) => model.get(name));
      const key = [size, rounding];
      let refusal = faultOf(points, "point", point) || lengthFault("voxel_size", size) || (rounding in ROUND ? "" : `rounding: got ${rounding}, wanted floor or trunc`);
      if (!refusal && (now.points !== points || `${now.key}` !== `${key}`)) {
        now = cut(points, size, rounding);
        now.boxes = now.coords.map((place) => boxOf(place, now.low, size, rounding));
        now.other = cut(points, size, rounding === "floor" ? "trunc" : "floor").active.length;
        now.doubled = points.filter((p) => p.some((c) => Math.trunc(c / size) === 0)).length;
      }
      if (now.cells > Number.MAX_SAFE_INTEGER) refusal ||= `voxel_size: got ${size}, which makes more cells than can be shown`;
      now = { ...now, points, key, size, rounding, refusal };
      if (!refusal) {
        now.row = now.inverse[point];
        now.place = now.coords[now.row];
        now.neighbours = STEPS.map((step) => now.rowAt(step.map((by, d) => now.place[d] + by)));
      }
      field.forget();
      view.repaint();
    }

    // ---- what is painted

    function items() {
      const { boxes, inverse, neighbours, row, low: lowest, size, rounding } = now, snapped = snap();
      const list = boxes.map(({ low, high, double }, v) => {
        if (v === row) return { low, high, kind: "index", width: 3, fill: 0.25, over: true };
        if (neighbours.includes(v)) return { low, high, kind: "result", width: 2, fill: 0.16 };
        return double ? { low, high, kind: "wrong", width: 1.2, fill: double > 1 ? 0.2 : 0.03 } : { low, high, width: 0.8, alpha: 0.45 };
      });
      for (const [n, p] of points.entries()) {
        const middle = centre(boxes[inverse[n]]);
        list.push({ id: n, at: p.map((c, d) => c + snapped * (middle[d] - c)), r: 1.7 + snapped, kind: "source", width: 0, over: inverse[n] === row });
      }
      list.push({ at: [0, 0, 0], r: 4, shape: "square", over: true }, { at: [0.3, 0.3, 0], text: "scanner", over: true });
      if (here) {
        const there = rowOf(here) >= 0;
        list.push({ ...boxOf(reach(here), lowest, size, rounding), kind: there ? "result" : "missing", width: 3, dash: there ? [] : [5, 4], over: true });
      }
      return list;
    }

    /** Memory from left to right: the active voxels, the picked one, and how far its six nearest are. */
    let painted = "";
    function paintTape() {
      const { active, cells, shape, place, row, flatOf } = now, width = tape.clientWidth, flat = active[row];
      const key = [now.key, cells, flat, width, here].join();
      if (key === painted) return;
      painted = key;
      const at = (k) => 1 + ((width - 2) * (k + 0.5)) / cells, thick = Math.max(1, Math.min(6, (width - 2) / cells - 0.5));
      const cell = (k, kind) => draw("rect", { class: kind, x: at(k) - thick / 2, width: thick, y: 42, height: 18 });
      const path = (kind, d) => draw("path", { class: kind, d }), arrow = (k, kind) => path(kind, `M${at(k)} 63l-5 8h10Z`);
      const shapes = [path("", `M1 40H${width - 1}V62H1Z`), ...active.map((k) => cell(k, "source"))];
      for (const [d, away] of [[2, 1], [1, shape[2]], [0, shape[1] * shape[2]]]) {
        for (const way of [-away, away]) {
          if (place[d] + Math.sign(way) < 0 || place[d] + Math.sign(way) >= shape[d]) continue;
          const kind = now.rows.has(flat + way) ? "result" : "missing";
          shapes.push(path(kind, `M${at(flat)} 40V${12 + 10 * d}H${at(flat + way)}V40`));
          if (kind === "result") shapes.push(cell(flat + way, kind));
        }
      }
      if (here && reach(here).every((c, d) => c >= 0 && c < shape[d])) shapes.push(arrow(flatOf(reach(here)), "result"));
      const left = at(flat) < width / 2;
      const words = draw("text", { x: at(flat) + (left ? 9 : -9), y: 78, "text-anchor": left ? "start" : "end" }, `place ${flat} of ${cells}`);
      tape.replaceChildren(...shapes, cell(flat, "index"), arrow(flat, "index"), words);
      tape.setAttribute("aria-label", `Memory as a strip of ${cells} cells; the picked voxel is cell ${flat}.`);
    }

    function paint() {
      const { refusal, active, shape, place, row, held, rounding } = now;
      side.hidden = refusal !== "";
      tape.style.display = refusal ? "none" : "block";
      view.refuse(field.words() || refusal);
      field.show(refusal ? "" : active[row]);
      signs([["source", "dot", "points"], ["index", "box", "picked voxel"], ["result", "box", "its neighbours"], ...(rounding === "trunc" ? [["wrong", "box", "twice as wide"]] : [])]);
      view.line(refusal ? "" : lineOf());
      view.say(refusal ? "There are no voxels." : words());
      if (refusal) return scene.draw([]);
      const [, H, W] = shape;
      scene.camera.focus = centre(now.boxes[row]);
      scene.draw(items());
      const told = [["place", "(b, z, y, x)", four(place)], ["row", "row", row], ["count", "points in it", held[row].length], ["shape", "[B, D, H, W]", `[1, ${shape.join(", ")}]`],
        ["active", "voxels", active.length], ["steps", "steps in x, y, z", `1, W = ${W}, H·W = ${H * W}`]].map(([name, words, value]) => `<dt>${words}</dt><dd data-value="${name}">${value}</dd>`).join("");
      if (facts.told !== told) facts.innerHTML = facts.told = told;
      around.update([3, 3, 3], (...tap) => ({
        text: say(rowOf(tap), 9), kind: rowOf(tap) < 0 ? "missing" : `${tap}` === "1,1,1" ? "index" : "result", mark: `${tap}` === `${here}`,
        title: `(b, dz, dy, dx) = ${four(by(tap))}`,
      }));
      paintTape();
    }

    function lineOf() {
      const { shape: [D, H, W], place, active, row } = now, [z, y, x] = place;
      if (!here) return `flat = ((b·D + z)·H + y)·W + x = ((0·${D} + ${z})·${H} + ${y})·${W} + ${x} = ${active[row]}`;
      const v = rowOf(here);
      return `${four(place)} + ${four(by(here))} = ${four(reach(here))} → ${v < 0 ? "no voxel: −1" : `flat ${active[v]} → row ${v}`}`;
    }

    function words() {
      const { neighbours, rounding, doubled, active, other, size } = now;
      const count = neighbours.filter((v) => v >= 0).length;
      if (rounding === "floor") return `${count} of the 27 exist, the voxel itself included. On the tape, a neighbour in x is next door, one in z a layer away.`;
      return `Cell 0 reaches from −${say(size)} to ${say(size)} m. ${doubled} of ${points.length} points lie in a cell that is double along x, y or z; floor makes ${other} voxels, trunc ${active.length}.`;
    }

    view.follow("cloud", read);
    view.follow("voxel_size rounding point", () => { here = null; seek(); });
    read();
    view.onpaint(paint);
    return view.end;
  },
};
