// VoxelExplorer: points, the voxels that hold them, and their places in memory. The rule is `cut`.

const ROUND = { floor: Math.floor, trunc: Math.trunc };
const AXES = ["x", "y", "z"];
const STEPS = [-1, 0, 1].flatMap((dz) => [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => [dz, dy, dx])));

/** The voxels of a cloud: cells (x, y, z) counted from the scanner, then (z, y, x) from the lowest one. */
function cut(points, size, rounding) {
  const cells = points.map((p) => p.map((c) => ROUND[rounding](c / size) + 0));
  const low = AXES.map((_, d) => cells.reduce((least, cell) => Math.min(least, cell[d]), 0));
  const zyx = cells.map((cell) => cell.map((c, d) => c - low[d]).reverse());
  const shape = [0, 1, 2].map((d) => 1 + zyx.reduce((most, place) => Math.max(most, place[d]), 0));
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

/** Where a voxel lies, [low, high] in metres; trunc's cells below zero lie one further down, cell 0 is double. */
function boxOf([z, y, x], { low }, size, rounding) {
  const cell = [x, y, z].map((c, d) => c + low[d]);
  const cutOff = rounding === "trunc";
  return [cell.map((c) => (cutOff && c <= 0 ? c - 1 : c) * size), cell.map((c) => (cutOff && c < 0 ? c : c + 1) * size), cutOff && cell.includes(0)];
}

function refusalFor(points, size, rounding, point) {
  if (!points.length) return "points: got no points, wanted at least one";
  const bad = points.findIndex((p) => !p.every(Number.isFinite));
  if (bad >= 0) return `points: got ${points[bad].find((c) => !Number.isFinite(c))} in row ${bad}, wanted finite numbers`;
  if (!(size > 0 && size < Infinity)) return `voxel_size: got ${size}, wanted a finite number above 0`;
  if (!(rounding in ROUND)) return `rounding: got ${rounding}, wanted floor or trunc`;
  if (!Number.isInteger(point) || point < 0 || point >= points.length) return `point: got ${point}, wanted 0 … ${points.length - 1}`;
  return "";
}

export default {
  render({ model, el }) {
    const view = frame(model, el, "VoxelExplorer: which points are in this voxel, and where is it in memory");
    let points = [], now = null, here = null, snapped = model.get("snap") ? 1 : 0;

    // ---- controls

    choice(view, "rounding", "cell =", [["floor", "floor(p / size)"], ["trunc", "trunc(p / size)"]]);
    range(view, "voxel_size", "voxel size", { min: 0.5, max: 3, step: 0.1, words: (size) => `${say(size)} m` });
    tick(view, "snap", "snap points to cells");
    const go = (row) => { if (now.held?.[row]) view.set({ point: now.held[row][0] }); };
    const next = (by) => { if (!now.refusal) go((now.row + by + now.active.length) % now.active.length); };
    const field = stepper(view, "flat", "flat index", {
      step: next,
      type: (flat) => {
        if (now.refusal) return "";
        if (flat < 0 || flat >= now.cells) return `flat index: got ${flat}, wanted 0 … ${now.cells - 1}`;
        const row = now.rows.get(flat), [, H, W] = now.shape;
        if (row === undefined) return `flat index ${flat} is (0, ${Math.floor(flat / W / H)}, ${Math.floor(flat / W) % H}, ${flat % W}): that voxel holds no point, so it has no row`;
        go(row);
      },
    });

    // ---- picture, tape and table

    const scene = space(view, {
      label: "The cloud in its voxels; a tap picks a voxel, and the keys n and p the next and the previous one",
      home: [-1.75, 1, 1],
      height: 330,
      onpick: (n) => view.set({ point: n }),
      onkey: ({ key }) => {
        const by = { n: 1, p: -1 }[key];
        if (by) next(by);
        return by;
      },
    });
    const signs = legend(view, view.overlay);
    const facts = make("div", { style: "flex:1 1 100%;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem" });
    const fact = (name, words) => {
      const value = make("b", { "data-value": name });
      facts.append(make("span", {}, `${words} `, value));
      return (text) => { if (value.textContent !== text) value.textContent = text; };
    };
    const told = { place: fact("place", "(b, z, y, x)"), row: fact("row", "row"), count: fact("count", "points in it"), active: fact("active", "voxels V"), shape: fact("shape", "[B, D, H, W]") };
    const tape = draw("svg", { role: "img", style: "flex:1 1 100%;min-width:0;height:86px;font-size:13px" });
    const around = table(view, "neighbours", { title: "neighbours", note: "[27]", kind: "result", onfocus: (place) => { here = place; view.repaint(); } });
    for (const part of [facts, tape, around.box]) view.stage.insertBefore(part, view.overlay);
    const walk = () => { if (here) go(now.neighbours[9 * here[0] + 3 * here[1] + here[2]]); };
    view.listen(around.cells, "keydown", (event) => { if (event.key === "Enter") walk(); });
    view.listen(around.cells, "dblclick", walk);

    function read() {
      points = cloud(model.get("cloud"));
      const ends = [Math.min, Math.max].map((end) => AXES.map((_, d) => points.reduce((most, p) => end(most, p[d]), end === Math.min ? Infinity : -Infinity)));
      scene.bounds(...(points.length && ends.flat().every(Number.isFinite) ? [ends[0].map((x) => x - 0.5), ends[1].map((x) => x + 0.5)] : [[-1, -1, -1], [1, 1, 1]]));
      seek();
    }

    function seek() {
      const [size, rounding, point] = ["voxel_size", "rounding", "point"].map((name) => model.get(name));
      const refusal = refusalFor(points, size, rounding, point);
      const same = now && !refusal && now.points === points && now.size === size && now.rounding === rounding && !now.refusal;
      const grid = refusal ? {} : same ? now : cut(points, size, rounding);
      now = { ...grid, points, size, rounding, refusal };
      if (!refusal) {
        now.row = now.inverse[point];
        now.place = now.coords[now.row];
        now.neighbours = STEPS.map((step) => now.rowAt(step.map((by, d) => now.place[d] + by)));
        if (!same) now.boxes = now.coords.map((place) => boxOf(place, now, size, rounding));
        if (!same) now.other = cut(points, size, rounding === "floor" ? "trunc" : "floor").active.length;
        now.doubled = points.filter((p) => p.some((c) => Math.abs(c) < size)).length;
      } else if (refusal) Object.assign(now, { row: null });
      field.forget();
      view.repaint();
    }

    // ---- what is painted

    function items() {
      const { boxes, inverse, neighbours, row, place, size, rounding } = now;
      const list = boxes.map(([low, high, double], v) => {
        if (v === row) return { low, high, kind: "index", width: 3, fill: 0.3, over: true };
        if (neighbours.includes(v)) return { low, high, kind: "result", width: 1.8, fill: 0.16 };
        return double ? { low, high, kind: "wrong", width: 1.2, fill: 0.1 } : { low, high, width: 0.7, alpha: 0.4 };
      });
      for (const [n, p] of points.entries()) {
        const [low, high] = boxes[inverse[n]];
        const at = snapped ? p.map((c, d) => c + snapped * ((low[d] + high[d]) / 2 - c)) : p;
        list.push({ id: n, at, r: snapped > 0.9 ? 2.6 : 1.7, kind: "source", width: 0, over: inverse[n] === row });
      }
      if (here) {
        const [low, high] = boxOf(here.map((k, d) => place[d] + k - 1), now, size, rounding);
        const tap = neighbours[9 * here[0] + 3 * here[1] + here[2]];
        list.push({ low, high, kind: tap < 0 ? "missing" : "result", width: 3, dash: tap < 0 ? [5, 4] : [], over: true });
      }
      return list;
    }

    /** Memory from left to right: what is active, the picked voxel, its six nearest and how far they are. */
    function paintTape() {
      const { active, cells, shape, place, row, neighbours } = now;
      const width = tape.clientWidth, at = (flat) => 1 + ((width - 2) * (flat + 0.5)) / cells;
      const thick = Math.max(1, Math.min(6, (width - 2) / cells - 0.5)), flat = active[row];
      const mark = (k, kind, extra = "") => `<rect x="${at(k) - thick / 2}" width="${thick}" y="42" height="18" style="fill:var(--${kind}-c)" ${extra}/>`;
      let inside = `<rect x="1" y="40" width="${width - 2}" height="22" style="fill:none;stroke:var(--ink-c)"/>`;
      inside += active.map((k) => mark(k, "source", 'opacity=".45"')).join("");
      for (const [d, stride] of [1, shape[2], shape[1] * shape[2]].entries()) {
        for (const way of [-1, 1]) {
          const step = [0, 0, 0];
          step[2 - d] = way;
          const there = neighbours[13 + way * 3 ** d] >= 0, outside = place[2 - d] + way < 0 || place[2 - d] + way >= shape[2 - d];
          if (outside) continue;
          const kind = there ? "result" : "missing", end = at(flat + way * stride), top = 30 - 9 * d;
          inside += `<path d="M${at(flat)} 40V${top}H${end}V40" style="fill:none;stroke:var(--${kind}-c);stroke-width:2${there ? "" : ";stroke-dasharray:3 3"}"/>${there ? mark(flat + way * stride, "result") : ""}`;
        }
      }
      inside += mark(flat, "index", 'stroke="var(--ink-c)"') + `<path d="M${at(flat)} 63l-5 8h10Z" style="fill:var(--index-c);stroke:var(--ink-c)"/>`;
      if (here) {
        const k = now.flatOf(here.map((way, d) => place[d] + way - 1));
        if (k >= 0 && k < cells) inside += `<path d="M${at(k)} 63l-4 7h8Z" style="fill:none;stroke:var(--result-c);stroke-width:2"/>`;
      }
      const right = at(flat) > width / 2;
      inside += `<text x="${at(flat) + (right ? -9 : 9)}" y="78" text-anchor="${right ? "end" : "start"}" style="fill:var(--ink-c)">flat ${flat} of ${cells}</text>`;
      tape.innerHTML = inside;
      tape.setAttribute("aria-label", `Memory tape of ${cells} cells. The picked voxel is cell ${flat}; its neighbours in x are 1, in y ${shape[2]}, in z ${shape[1] * shape[2]} cells away.`);
    }

    function paint() {
      const { refusal, active, shape, place, row, held, neighbours, rounding, size } = now;
      const target = model.get("snap") ? 1 : 0;
      if (snapped !== target) {
        const still = matchMedia("(prefers-reduced-motion: reduce)").matches || Math.abs(target - snapped) < 0.02;
        snapped = still ? target : snapped + 0.2 * (target - snapped);
        if (!still) view.repaint();
      }
      for (const part of [facts, tape, around.box]) part.style.display = refusal ? "none" : "";
      field.show(refusal ? "" : active[row]);
      view.refuse(field.words() || refusal);
      if (refusal) {
        scene.draw([]);
        view.line("");
        view.say("There are no voxels.");
        return;
      }
      const [D, H, W] = shape, [z, y, x] = place;
      scene.camera.focus = now.boxes[row][0].map((c, d) => (c + now.boxes[row][1][d]) / 2);
      scene.draw(items());
      signs([["source", "dot", "points"], ["index", "box", "picked voxel"], ["result", "box", "its neighbours"], ...(rounding === "trunc" ? [["wrong", "box", "twice as wide"]] : [])]);
      told.place(`(0, ${z}, ${y}, ${x})`);
      told.row(String(row));
      told.count(String(held[row].length));
      told.active(String(active.length));
      told.shape(`[1, ${D}, ${H}, ${W}]`);
      paintTape();
      around.note("[27]: dz = −1, 0, 1 side by side, dy down, dx across");
      around.update([3, 3, 3], (...tap) => {
        const v = neighbours[9 * tap[0] + 3 * tap[1] + tap[2]];
        return { text: say(v, 9), kind: v < 0 ? "missing" : String(tap) === "1,1,1" ? "index" : "result", mark: String(tap) === String(here), title: `(dz, dy, dx) = (${tap.map((k) => say(k - 1))})` };
      });
      view.line(here ? lineOf(here) : `flat = ((b·D + z)·H + y)·W + x = ((0·${D} + ${z})·${H} + ${y})·${W} + ${x} = ${active[row]}`);
      view.say(words());
    }

    function lineOf(tap) {
      const there = tap.map((k, d) => now.place[d] + k - 1), v = now.neighbours[9 * tap[0] + 3 * tap[1] + tap[2]];
      return `(0, ${now.place.join(", ")}) + (0, ${tap.map((k) => say(k - 1)).join(", ")}) = (0, ${there.map((c) => say(c)).join(", ")}) → ${v < 0 ? "no voxel, −1" : `flat ${now.active[v]} → row ${v}`}`;
    }

    function words() {
      const { neighbours, shape, rounding, doubled, active, other, size } = now;
      const count = neighbours.filter((v) => v >= 0).length;
      const near = `${count} of the 27 exist, this one included. A step in x is 1 on the tape, in y W = ${shape[2]}, in z H·W = ${shape[1] * shape[2]}.`;
      if (rounding === "floor") return near;
      return `trunc: cell 0 reaches from −${say(size)} to ${say(size)} m along each axis. ${doubled} of ${points.length} points are in such a cell; floor makes ${other} voxels of them all, trunc ${active.length}.`;
    }

    view.follow("cloud", read);
    view.follow("voxel_size rounding point", () => { here = null; seek(); });
    read();
    view.onpaint(paint);
    return view.end;
  },
};
