// RulebookExplorer: a sparse convolution, tap by tap. `rulebook` finds the pairs, `added` adds their
// products, the rest is a picture.

const RULEBOOK_STYLE = `
.g3x [data-control=play]{min-width:4.4rem}.g3x [data-control=tap] output{min-width:7em}
.g3x [data-table=weight] .g3x-cell{min-width:31px;cursor:pointer}
.g3x :is(.later,.air).g3x-cell{background:none}.g3x .air.g3x-cell{--c:var(--line-c);border-width:1px}
.g3x .window.g3x-cell{border-color:var(--index-c)}.g3x .window.air{background:color-mix(in srgb,var(--index-c) 22%,transparent)}
.g3x .grown.g3x-cell:not(.air){border:2px dotted var(--c)}
.g3x .chosen.g3x-cell{outline:2.5px solid var(--index-c);outline-offset:-1px;z-index:1}
.g3x [data-table=pairs] .g3x-cells{display:block;height:174px;overflow:auto;padding:2px}
.g3x [data-table=pairs] .g3x-row,.g3x-heads{display:grid;grid-template-columns:repeat(6,50px);gap:3px}
.g3x [data-table=pairs] .g3x-cell{height:26px}
.g3x-heads{padding:0 2px;font-size:12px;text-align:center}.g3x-heads b{border-bottom:2px solid var(--c)}
.g3x-heads .source{grid-column:span 2}.g3x-heads .result{grid-column:span 3}
.g3x-counts{display:grid;grid-template-columns:auto 1fr auto;gap:0 .5rem;align-items:center;margin-top:.7rem;font-size:13px}
.g3x-counts i{height:9px;border:1px solid var(--c);background:linear-gradient(var(--c) 0 0) no-repeat 0/var(--part)}`;

/** The steps (dz, dy, dx) of the 27 taps, dx fastest. */
const WAYS = [-1, 0, 1], STEPS = WAYS.flatMap((z) => WAYS.flatMap((y) => WAYS.map((x) => [z, y, x])));
const TEMPO = 700; // ms

const spoken = (voxel) => `(${voxel.map((n) => say(n)).join(", ")})`;
const inside = (voxel, shape) => voxel.every((c, a) => Number.isInteger(c) && c >= 0 && c < shape[a]);
const order = (a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
const rows = (voxels) => new Map(voxels.map((voxel, row) => [String(voxel), row]));

/** Which output voxel reads this one by this step: input = output · stride + step. */
const writer = (voxel, step, stride) => voxel.map((c, a) => (c - step[a]) / stride);

/** The pairs [input row, output row] of each tap, as gather3d.kernel_map finds them; none where it refuses. */
function rulebook(voxels, shape, stride, submanifold) {
  const outShape = shape.map((n) => Math.ceil(n / stride));
  const refused = submanifold && stride > 1;
  const reached = STEPS.map((step) => (refused ? [] : voxels)
    .map((voxel, i) => [i, writer(voxel, step, stride)])
    .filter(([, out]) => inside(out, outShape)));
  const once = new Map(reached.flat().map(([, out]) => [String(out), out]));
  const outVoxels = submanifold && !refused ? voxels : [...once.values()].sort(order);
  const row = rows(outVoxels);
  const pairs = reached.map((tap) => tap.map(([i, out]) => [i, row.get(String(out))]).filter(([, o]) => o !== undefined));
  return { pairs, outShape, outVoxels, row, refused };
}

/** The output before and after the last of these taps. */
function added(taps, features, weights, size) {
  let before, after = Array(size).fill(0);
  taps.forEach((pairs, k) => {
    before = [...after];
    for (const [i, o] of pairs) after[o] += features[i] * weights[k];
  });
  return { before, after };
}

/** What is wrong with the traits, "" if nothing is. */
function complaint({ coords, features, shape, weight, tap }) {
  const sizes = [coords, features, shape, weight].map((list) => [list].flat(4).filter(Number.isFinite).length);
  if (!STEPS[tap] || String(sizes) !== String([4 * features.length, coords.length, 3, 27])) {
    return "wanted coords [V, 4], features [V], shape [3], weight [3, 3, 3], all finite, tap 0 … 26";
  }
  const fits = coords.every(([, ...voxel], r) => inside(voxel, shape) && (!r || order(coords[r - 1].slice(1), voxel) < 0));
  return fits ? "" : `coords: wanted voxels inside ${spoken(shape)}, sorted by flat index and none twice`;
}

export default {
  render({ model, el }) {
    const view = frame(model, el, "RulebookExplorer: a sparse convolution, tap by tap");
    view.controls.before(make("style", {}, RULEBOOK_STYLE));
    const traits = "coords features shape weight tap submanifold stride";
    let here, timer, now; // here: the chosen output voxel

    // ---- controls

    choice(view, "submanifold", "convolution", [[true, "submanifold"], [false, "ordinary"]]);
    choice(view, "stride", "stride", [[1, "1"], [2, "2"]]);
    range(view, "tap", "tap", { min: 0, max: 26, words: (k) => `${k}: ${spoken(STEPS[k] ?? [])}` });
    const turn = (by) => view.set({ tap: (model.get("tap") + by + 27) % 27 });
    button(view, "back", () => { play(false); turn(-1); });
    const player = button(view, "play", () => play(!timer));
    button(view, "step", () => { play(false); turn(1); });
    view.onend(() => clearInterval(timer));

    function play(on) {
      clearInterval(timer);
      timer = on && setInterval(() => (model.get("tap") < 26 ? turn(1) : play(false)), TEMPO);
      player.textContent = on ? "pause" : "play";
      view.root.lastChild.ariaLive = on ? "off" : "polite"; // not 27 taps read aloud
      if (on) turn(1);
    }

    // ---- tables

    const point = (voxel) => { here = voxel ?? here; view.repaint(); };
    const kernel = table(view, "weight", { title: "kernel", note: "weights by (dz, dy, dx)", kind: "index", layers: ["dz", -1] });
    const pairs = table(view, "pairs", { title: "pairs of this tap", onfocus: (cell) => point(cell && now.outVoxels[now.own[cell[0]][1]]) });
    const input = table(view, "input", { small: true, layers: ["z", 0], onfocus: (voxel) => point(voxel && now.writer(voxel)) });
    const output = table(view, "output", { kind: "result", small: true, layers: ["z", 0], onfocus: point });
    view.listen(kernel.cells, "focusin", ({ target }) => {
      const [a, b, c] = target.dataset.place.split(",");
      play(false);
      view.set({ tap: 9 * a + 3 * b + 1 * c });
    });
    const columns = ["in", "x[in]", "", "out", "y was", "y is"].map((words) => make("span", {}, words));
    pairs.cells.before(make(".g3x-heads", { "aria-hidden": "true" },
      make("b.source", {}, "gather"), make("b.context", {}, "multiply"), make("b.result", {}, "scatter-add"), ...columns));

    const counts = make(".g3x-counts");
    const bars = [["active_in", "active before", "source"], ["active_out", "active after", "result"], ["pairs_done", "pairs so far", "index"]].map(([name, words, kind]) => {
      const bar = make(`i.${kind}`), number = make("b", { "data-value": name });
      counts.append(words, bar, number);
      return (value, whole) => {
        number.textContent = value;
        bar.style.setProperty("--part", `${(100 * value) / (whole || 1)}%`);
      };
    });
    kernel.box.append(counts);

    // ---- the picture

    /** What follows from the traits and the choice. */
    function look({ coords, features, shape, weight, tap, submanifold, stride }) {
      const voxels = coords.map((row) => row.slice(1)), weights = weight.flat(2), step = STEPS[tap];
      const book = rulebook(voxels, shape, stride, submanifold), { outVoxels, outShape, row } = book;
      const own = book.pairs[tap], taps = book.pairs.slice(0, tap + 1), inRow = rows(voxels);
      if (!here || !inside(here, outShape)) here = outVoxels[own[own.length >> 1]?.[1] ?? 0] ?? [0, 0, 0];
      const read = here.map((c, a) => c * stride + step[a]); // where this tap reads for it
      const i = inRow.get(String(read)), o = row.get(String(here));
      return {
        ...book, ...added(taps, features, weights, outVoxels.length),
        features, shape, tap, stride, step, weights, factor: weights[tap], own, inRow, read, i, o,
        paired: own.findIndex((pair) => pair[1] === o), done: taps.flat().length,
        writer: (voxel) => outVoxels[row.get(String(writer(voxel, step, stride)))],
      };
    }

    function paintKernel() {
      kernel.update([3, 3, 3], (a, b, c) => {
        const k = 9 * a + 3 * b + c;
        kernel.cell(a, b, c).tabIndex = k === now.tap ? 0 : -1; // focus chooses, so Tab comes here
        return { text: say(now.weights[k]), mark: k === now.tap, kind: k > now.tap ? "index later" : "index", title: `tap ${k}: ${now.pairs[k].length} pairs` };
      });
    }

    function paintPairs() {
      const { own, factor, features, before, after, paired } = now;
      const kinds = ["index", "source", "context", "index", "context", "result"];
      pairs.note(own.length ? `${own.length} of them` : "none");
      columns[2].textContent = `× ${say(factor)}`;
      pairs.update([own.length, 6], (p, column) => {
        const [i, o] = own[p];
        const value = [i, features[i], features[i] * factor, o, before[o], after[o]][column];
        return { text: say(value), kind: kinds[column], mark: p === paired };
      });
    }

    /** The active voxels of a volume with their numbers, those of this tap marked. */
    function paintVolume(volume, shape, row, values, side, chosen, kind) {
      const touched = new Set(now.own.map((pair) => pair[side]));
      volume.update(shape, (...voxel) => {
        const key = String(voxel), r = row.get(key), active = r !== undefined;
        return {
          text: active ? say(values[r]) : "", mark: touched.has(r), title: `voxel ${spoken(voxel)}, ${active ? `row ${r}` : "not active"}`,
          kind: `${active ? "" : "air "}${kind(voxel)}${key === String(chosen) ? " chosen" : ""}`,
        };
      });
    }

    function paintVolumes() {
      const { shape, outShape, inRow, stride } = now;
      const near = (voxel) => voxel.every((c, a) => Math.abs(c - here[a] * stride) < 2);
      const grown = (voxel) => stride === 1 && !inRow.has(String(voxel));
      output.box.style.setProperty("--size", stride > 1 ? "41px" : "");
      input.note(`${spoken(shape)}, y down, x right`);
      output.note(`${spoken(outShape)}, so far`);
      paintVolume(input, shape, inRow, now.features, 0, now.read, (voxel) => (near(voxel) ? "source window" : "source"));
      paintVolume(output, outShape, now.row, now.after, 1, here, (voxel) => (grown(voxel) ? "result grown" : "result"));
    }

    function tell() {
      const { tap, i, o, read, features, before, after, done } = now;
      const V = features.length, U = after.length, most = Math.max(V, U), total = now.pairs.flat().length;
      [[V, most], [U, most], [done, total]].forEach((part, k) => bars[k](...part));
      counts.style.visibility = now.refused ? "hidden" : "";
      if (o === undefined) view.line(`output voxel ${spoken(here)} is not active`);
      else if (i === undefined) view.line(`out[${o}] += nothing: voxel ${spoken(read)} is ${inside(read, now.shape) ? "not active" : "outside"}`);
      else view.line(`out[${o}] += input[${i}] * weight[${now.step.map((d) => d + 1).join(", ")}] = ${say(before[o])} + ${say(features[i])} · ${say(now.factor)} = ${say(after[o])}`);
      const active = U === V && now.stride === 1 ? `The ${V} active voxels stay` : `${V} active voxels become ${U}`;
      view.refuse(now.refused ? "gather3d refuses: stride: got (2, 2, 2), wanted 1 for submanifold" : "");
      view.say(now.refused ? "Choose ordinary, or stride 1." : `Tap ${tap}: ${now.own.length} pairs; ${done} of ${total} are added. ${active}.`);
    }

    function paint() {
      const state = Object.fromEntries(traits.split(" ").map((name) => [name, model.get(name)]));
      const wrong = complaint(state);
      view.stage.style.display = wrong ? "none" : "";
      if (wrong) {
        view.refuse(wrong);
        view.line("");
        view.say("");
        return;
      }
      now = look(state);
      paintKernel();
      paintPairs();
      paintVolumes();
      tell();
      // last, so that the layout is made once
      arrows(view, now.paired < 0 ? [] : [{ from: input.cell(...now.read), to: output.cell(...here) }]);
      if (now.paired >= 0 && !pairs.cells.matches(":hover,:focus-within")) pairs.cells.scrollTop = 29 * (now.paired - 2);
    }

    view.follow(traits, view.repaint);
    view.onpaint(paint);
    return view.end;
  },
};
