// DeformExplorer: one output voxel of a deformable convolution, its 27 taps, and what they gather.

const DEFORM = `
.g3x-maps,.g3x-side{flex:1 1 100%;display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start;min-width:0}
.g3x-side{flex:1 1 240px;max-width:360px}
.g3x-sums{flex:1 1 170px;min-width:0}
@media(min-width:640px){.g3x-sums{flex-basis:100%}}
.g3x [data-table=reads] .g3x-cell,.g3x [data-table=mask] .g3x-cell{width:50px}`;

const LENS = 5; // voxels shown on each side of the picked one
const KINDS = ["none", "shift", "widen", "turn", "random", "towards bright"];
const REACH = Array.from({ length: 27 }, (_, k) => [Math.floor(k / 9) - 1, (Math.floor(k / 3) % 3) - 1, (k % 3) - 1]);
const LEAN = 0.22; // how far the lens draws a tap to the right and down for each voxel of z

const added = (a, b) => a.map((c, i) => c + b[i]);
const scaled = (a, by) => a.map((c) => c * by);
const triple = (numbers) => `(${numbers.map((v) => say(v)).join(", ")})`;

/** Where the lens draws a place (z, y, x): row and column. */
const lean = ([z, y, x], [middle]) => [y + LEAN * (z - middle), x + LEAN * (z - middle)];

/** Half the difference of the two neighbours along each axis, of length 1, or 0 where it is flat. */
function uphill(volume, place) {
  const slope = [0, 1, 2].map((axis) => {
    const [after, before] = [1, -1].map((side) => valueBetween(volume, ...place.map((c, a) => c + (a === axis ? side : 0))));
    return (after - before) / 2;
  });
  const length = Math.hypot(...slope);
  return length ? scaled(slope, 1 / length) : [0, 0, 0];
}

/** The offset of tap k, (z, y, x) in voxels. */
function offsetOf(kind, strength, k, { volume, voxel, noise }) {
  const [z, y, x] = REACH[k];
  const angle = (strength * Math.PI) / 4, c = Math.cos(angle), s = Math.sin(angle);
  switch (kind) {
    case "shift": return [0, 0, strength];
    case "widen": return scaled(REACH[k], strength);
    case "turn": return [0, c * y + s * x - y, c * x - s * y - x];
    case "random": return scaled(noise(k), strength);
    case "towards bright": return scaled(uphill(volume, added(voxel, [z, y, x])), strength);
    default: return [0, 0, 0];
  }
}

export default {
  render({ model, el }) {
    const view = frame(model, el, "DeformExplorer: where the 27 taps of a deformable convolution read");
    view.root.prepend(make("style", {}, DEFORM));
    let here = 14, typed = "", volume = {};

    // ---- controls

    choice(view, "kind", "offsets", KINDS.map((kind) => [kind, kind]));
    range(view, "strength", "strength", { min: 0, max: 3, step: 0.05 });
    const seeds = range(view, "seed", "seed", { min: 0, max: 7 }).parentElement;
    tick(view, "modulation", "modulation");

    function pick(...changes) {
      const size = model.get("shape");
      view.set({ voxel: model.get("voxel").map((c, a) => Math.min(size[a] - 1, Math.max(0, Math.round(changes[a] ?? c)))) });
      view.repaint();
    }
    const KEYS = { ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], PageUp: [-1, 0, 0], PageDown: [1, 0, 0] };
    const words3 = "arrow keys move it along y and x, Page Up and Page Down along z";
    const options = {
      fine: 1, onpoint: (y, x) => pick(null, y, x),
      onkey: ({ key }) => { if (KEYS[key]) pick(...added(model.get("voxel"), KEYS[key])); return key in KEYS; },
    };

    // ---- the pictures and the tables

    const write = written(view.stage, `<div class="g3x-maps"><div class="g3x-side"><div class="g3x-sums g3x-facts">
      <span>ordinary kernel</span><span data-value="plain"></span><span>deformable</span><span class="result g3x-total" data-value="output"></span></div></div></div>
      <p class="g3x-legend"><span><b class="source">○</b> ordinary kernel</span><span><b class="index">▲ ● ▼</b> taps from the slice before, this one, the one after</span>
      <span><b class="missing">◌</b> reads outside: 0</span><span>drawn the further right and down, the larger z</span></p>`);
    /** Point at the tap whose mark is nearest. */
    function nearest(row, column) {
      const { taps, voxel } = now();
      const distances = taps.map(({ site }) => Math.hypot(...lean(site, voxel).map((c, a) => c - [row, column][a])));
      here = distances.indexOf(Math.min(...distances));
      view.repaint();
    }
    const slice = plane(view, "slice", { ...options, label: `the output voxel in the slice: ${words3}`, unit: 6 });
    const lens = plane(view, "lens", { ...options, label: `the taps around the output voxel: ${words3}`, unit: 32, onpoint: nearest });
    view.stage.querySelector(".g3x-side").prepend(slice.el);
    view.stage.querySelector(".g3x-maps").append(lens.el);
    slice.handle.innerHTML = '<rect x="-25" y="-25" width="50" height="50" fill="#0000"/>';

    const point = (place) => { if (place) here = place[0] * 9 + place[1] * 3 + place[2]; view.repaint(); };
    const reads = table(view, "reads", { title: "each tap reads", note: "[kz, ky, kx]", onfocus: point });
    const gates = table(view, "mask", {
      title: "mask", kind: "index", onfocus: point,
      onedit: (place, text) => {
        const number = Number(text.trim().replace("−", "-"));
        typed = text.trim() && number >= 0 && number <= 1 ? "" : `mask: got ${JSON.stringify(text)}, wanted a number from 0 to 1`;
        if (!typed) gate(place, () => number);
        view.repaint();
      },
    });
    const gate = (place, change) =>
      view.set({ mask: model.get("mask").map((a, i) => a.map((b, j) => b.map((m, k) => (`${[i, j, k]}` === `${place}` ? change(m) : m)))) });
    const STEPS = { ArrowUp: 0.25, ArrowDown: -0.25 };
    view.listen(gates.cells, "keydown", (event) => { // by a quarter, where a table's own step is 1
      if (!(event.key in STEPS)) return;
      event.preventDefault();
      event.stopPropagation();
      gate(event.target.dataset.place, (m) => Number(Math.min(1, Math.max(0, m + STEPS[event.key])).toFixed(2)));
    }, { capture: true });

    /** Everything that follows from the traits: for each tap its home, its site, what it reads and its say. */
    function now() {
      const bytes = model.get("data"), voxel = model.get("voxel");
      if (volume.bytes !== bytes) {
        volume = { bytes, data: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), shape: model.get("shape"), key: (volume.key ?? 0) + 1 };
      }
      const drawn = model.get("noise"), seed = model.get("seed");
      const noise = (k) => [0, 1, 2].map((a) => drawn.getFloat32(4 * ((seed * 27 + k) * 3 + a), true));
      const mask = model.get("mask").flat(2), weight = model.get("weight").flat(2);
      const taps = REACH.map((reach, k) => {
        const home = added(voxel, reach);
        const offset = offsetOf(model.get("kind"), model.get("strength"), k, { volume, voxel, noise });
        const site = added(home, offset);
        const { corners, value } = reading(volume, "trilinear", site);
        return { reach, home, offset, site, value, weight: weight[k], mask: model.get("modulation") ? mask[k] : 1, lost: !corners.some(({ inside, weight }) => inside && weight > 0) };
      });
      const sum = (term) => taps.reduce((total, tap) => total + tap.weight * term(tap), 0);
      return { taps, voxel, output: sum((tap) => tap.mask * tap.value), plain: sum(({ home }) => valueBetween(volume, ...home)) };
    }

    function paint() {
      const { taps, voxel, output, plain } = now();
      const gated = model.get("modulation");
      seeds.hidden = model.get("kind") !== "random";
      gates.box.hidden = !gated;
      view.refuse(typed);
      picture(taps, voxel);
      const tapAt = (i, j, k) => 9 * i + 3 * j + k;
      reads.update([3, 3, 3], (...p) => ({ text: say(taps[tapAt(...p)].value), kind: taps[tapAt(...p)].lost ? "missing" : "source", mark: tapAt(...p) === here }));
      gates.update([3, 3, 3], (...p) => ({ text: say(model.get("mask").flat(2)[tapAt(...p)]), mark: tapAt(...p) === here }));
      write("plain", say(plain));
      write("output", say(output));
      const tap = taps[here];
      view.line(`tap ${triple(added(tap.reach, [1, 1, 1]))}: ${triple(tap.home)} + ${triple(tap.offset)} = ${triple(tap.site)} reads ${say(tap.value)}`
        + `, times ${say(tap.weight)}${gated ? ` times ${say(tap.mask)}` : ""}`);
      const lost = taps.filter((each) => each.lost).length, moved = taps.filter(({ offset }) => offset.some(Boolean)).length;
      view.say(`At ${triple(voxel)}, ${moved} of 27 taps have left the grid${lost ? `, ${lost} read outside the volume and get 0` : ""}. `
        + (Math.abs(output - plain) < 1e-9 ? "The kernel gathers what the ordinary one does." : `The kernel gathers ${say(output)}, the ordinary one ${say(plain)}.`));
    }

    function picture(taps, [z, y, x]) {
      const { shape: [, H, W] } = volume;
      const grey = (row, column) => valueBetween(volume, z, Math.round(row), Math.round(column)) / 255;
      slice.window(-0.5, -0.5, H, W);
      slice.paint(`${volume.key} ${z}`, grey);
      lens.window(y - LENS - 0.5, x - LENS - 0.5, 2 * LENS + 1, 2 * LENS + 1);
      lens.paint(`${volume.key} ${z} ${y} ${x}`, grey);
      const middle = slice.at(y, x), reach = 6 * (LENS + 0.5);
      slice.handle.setAttribute("transform", `translate(${middle})`);
      slice.draw(
        ...taps.map(({ site }) => circle(slice.at(site[1], site[2]), 2, "fill:var(--index-c)")),
        path(`M${middle[0] - reach} ${middle[1] - reach}h${2 * reach}v${2 * reach}h${-2 * reach}Z`, "stroke:var(--index-c);stroke-width:2"));
      const leaning = (place) => lens.at(...lean(place, [z, y, x]));
      const shape = (reachZ, [u, v], r) => (reachZ ? `M${u - r} ${v + (reachZ * -r) / 1.5}h${2 * r}L${u} ${v + reachZ * r}Z` : `M${u - r} ${v}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`);
      const ways = taps.map(({ home, site }) => `M${leaning(home)}L${leaning(site)}`).join("");
      lens.draw(
        ...["#fff;stroke-width:4", "var(--source-c);stroke-width:2.5"].flatMap((ink) => taps.map(({ home }) => circle(leaning(home), 5, `fill:none;stroke:${ink}`))),
        path(ways, "stroke:#000;stroke-opacity:.6;stroke-width:4"), path(ways, "stroke:var(--index-c);stroke-width:2"),
        ...taps.map(({ reach: [dz], site, mask, lost }, k) => path(shape(dz, leaning(site), 2 + 6 * Math.sqrt(mask)),
          `fill:${lost ? "var(--missing-c)" : "var(--index-c)"};fill-opacity:${0.2 + 0.8 * mask};stroke:${k === here ? "#fff" : "#000"};stroke-width:${k === here ? 3 : 1};stroke-dasharray:${lost ? 2 : 0}`)));
    }

    view.follow("mask", () => { typed = ""; });
    view.follow("data shape voxel kind strength seed noise modulation mask weight", view.repaint);
    view.onpaint(paint);
    return view.end;
  },
};
