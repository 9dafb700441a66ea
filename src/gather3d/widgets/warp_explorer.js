// WarpExplorer: 32 threads, the bytes that each reads, and the sectors that move for them.
// The rule is `costOf`, the rest is its picture.

const WARP_STYLE = `
.g3x-half{flex:1 1 280px;white-space:nowrap}
.g3x-half fieldset{border:0;margin:0;padding:0}
.g3x-half legend{margin:0;font:inherit;font-weight:600}
.g3x-half label{display:grid;grid-template-columns:16px 5.7rem 1fr 4.8rem 3.7rem;font-variant-numeric:tabular-nums}
.g3x-half .now{font-weight:600;box-shadow:inset 0 -2px var(--index-c)}
.g3x-half i{height:12px;border:1px solid var(--source-c);background:linear-gradient(90deg,var(--source-c) var(--w),transparent var(--w))}
.g3x-half label>:nth-child(n+4),.g3x-cost :nth-child(even){text-align:right}
.g3x-cost{display:grid;grid-template-columns:1fr auto;margin-top:.6rem;font-variant-numeric:tabular-nums}
.g3x-cost>:nth-last-child(-n+2){font-weight:600;box-shadow:inset 0 -3px var(--result-c)}
[data-table=threads]{margin-bottom:.6rem}
[data-table=threads] .g3x-slab{display:block}
.g3x-half .g3x-row{display:grid;grid-template-columns:repeat(8,1fr);counter-reset:t -1}
[data-table=threads] [role=gridcell]{position:relative;counter-increment:t}
[data-table=threads] [role=gridcell]::before{content:counter(t);position:absolute;z-index:2;left:4px;font-size:9px;pointer-events:none}
.g3x-half input.g3x-cell{width:100%;height:34px;padding:10px 0 0;font-size:11px;letter-spacing:-.04em}
.g3x-half .g3x-cell{min-width:0}
[data-table=memory] .g3x-slab{width:100%;grid-template-columns:repeat(auto-fill,minmax(79px,1fr));gap:4px 8px;min-height:340px;align-content:start}
.g3x-half [data-line]{grid-template-columns:repeat(4,1fr);gap:0;font-size:11px;line-height:13px}
[data-line]::before{content:attr(data-line);grid-column:1/-1}
[data-line] .g3x-cell{height:25px;border-radius:0;place-content:start center;background-repeat:no-repeat;background-position:bottom}
[data-line] .context{border-style:dotted;background:none}
[data-line] .mark{--c:var(--index-c);z-index:2}`;

const THREADS = [...Array(32).keys()], SECTOR = 32; // bytes, four to a line
const NAMES = { 2: "half", 4: "float", 8: "double", 16: "float4" };
const SUMS = { asked: "bytes asked for", useful: "different bytes", sectors: "sectors of 32 bytes", lines: "cache lines of 128 bytes", moved: "bytes moved", share: "efficiency" };
const TRAITS = "pattern width channels memory along offset stride tap points index reads";

/** The points that a pattern names, one after another. */
const INDEX = {
  consecutive: () => THREADS,
  shifted: ({ offset }) => THREADS.map((t) => t + offset),
  strided: ({ stride }) => THREADS.map((t) => t * stride),
  reversed: () => [...THREADS].reverse(),
  "same point": () => THREADS.map(() => 0),
  random: ({ reads }) => reads.random,
  sorted: ({ reads }) => reads.sorted,
  neighbours: ({ reads, tap }) => reads.neighbours[tap],
  own: ({ index }) => index,
};

/** Thread t's place in the index, and its channel. */
const placeOf = (t, { along, channels }) => (along === "points" ? [t, 0] : [Math.floor(t / channels), t % channels]);

/** The rule: the first byte that each thread reads, −1 for none, and what is touched. */
function costOf(state, pattern = state.pattern) {
  const { memory, channels, points, width } = state, rows = INDEX[pattern](state);
  const addresses = THREADS.map((t) => {
    const [m, c] = placeOf(t, state), n = rows[m];
    return n < 0 ? -1 : width * (memory === "channel-last" ? n * channels + c : c * points + n);
  });
  const read = addresses.filter((a) => a >= 0);
  const touched = (size) => [...new Set(read.map((a) => Math.floor(a / size)))].sort((a, b) => a - b);
  const sectors = touched(SECTOR), moved = SECTOR * sectors.length, useful = width * touched(width).length;
  return { rows, addresses, sectors, lines: touched(128), asked: width * read.length, useful, moved, share: useful / moved };
}

const many = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
const percent = (share) => (share >= 0 ? `${say(100 * share)} %` : "none");
const stepOf = (tap) => `(${[tap / 9, (tap / 3) % 3, tap % 3].map((k) => say(Math.floor(k) - 1)).join(", ")})`;

/** What the threads read, and why it costs what it costs. */
function wordsOf({ pattern, width, channels: C, memory, along, offset, stride, tap, asked, sectors, useful, moved, share }) {
  const last = memory === "channel-last", lanes = along === "channels" && C > 1, n = lanes ? Math.ceil(32 / C) : 32;
  const thing = C === 1 ? `${NAMES[width]} value` : "point", things = n > 1 ? `${thing}s` : thing, readers = asked / width;
  const run = `${n} consecutive ${things}`;
  const what = {
    consecutive: run,
    shifted: `${run} from number ${offset} on`,
    strided: `${n} ${things}, ${stride} apart`,
    reversed: `${run}, last one first`,
    "same point": `the same ${thing}`,
    random: `${n} random ${things}`,
    sorted: `${n} random ${things}, the index sorted`,
    neighbours: `the neighbours ${stepOf(tap)} of ${many(n, "LiDAR voxel")}`,
    own: `your ${things}`,
  }[pattern];
  const why = lanes && !last ? "In [C, N], neighbouring channels lie N elements apart."
    : lanes && (C * width) % SECTOR === 0 ? `A point's row is ${many((C * width) / SECTOR, "whole sector")}, wherever it lies: random points cost no more than consecutive ones.`
    : sectors.length === 1 && readers > 1 ? "One sector serves them all."
    : C > 1 && last && !lanes ? `Each takes one element out of a row of ${C * width} bytes.`
    : readers && sectors.length === readers ? `Each thread has a sector to itself and uses ${width} of its 32 bytes.`
    : pattern === "reversed" ? "The order within a warp does not matter."
    : `${moved - useful || "No"} bytes move in vain.`;
  return `${readers === 32 ? "The 32" : `${readers} of 32`} threads read ${lanes ? `${many(Math.min(C, 32), "channel")} of ` : C > 1 ? "channel 0 of " : ""}${what}: `
    + `${many(sectors.length, "sector")}, ${useful} of ${moved} bytes used: ${percent(share)}. ${why}`;
}

export default {
  render({ model, el }) {
    const view = frame(model, el, "WarpExplorer: which bytes move when 32 threads read", WARP_STYLE);
    let chosen = { thread: 0 }; // or { sector }
    const point = (next) => { chosen = next; view.repaint(); };

    // ---- controls

    choice(view, "width", "bytes", Object.entries(NAMES).map(([width, name]) => [Number(width), `${width} (${name})`]));
    choice(view, "channels", "C", [1, 3, 4, 8, 16, 32, 64].map((C) => [C, String(C)]));
    choice(view, "memory", "memory", [["channel-first", "[C, N]"], ["channel-last", "[N, C]"]]);
    choice(view, "along", "threads along", [["points", "points"], ["channels", "channels"]]);
    const sliders = {
      shifted: range(view, "offset", "offset", { min: 0, max: 31 }),
      strided: range(view, "stride", "stride", { min: 1, max: 32 }),
      neighbours: range(view, "tap", "tap (dz, dy, dx)", { min: 0, max: 26, words: stepOf }),
    };

    // ---- the patterns and the sums, the threads and the memory

    const values = {};
    const value = (name) => (values[name] = make("span", { "data-value": name }));
    const patterns = choice(view, "pattern", "pattern", Object.keys(INDEX).map((name) => [name, name]));
    const labels = [...patterns.querySelectorAll("label")].map((label) => {
      const name = label.textContent;
      label.lastChild.replaceWith(make("span", {}, name), make("i"), value(`${name} sectors`), value(`${name} share`));
      return [name, label];
    });
    const sums = make(".g3x-cost");
    for (const [name, words] of Object.entries(SUMS)) sums.append(make("span", {}, words), value(name));
    const typed = typing(view, { index: [(n) => Number.isInteger(n) && n >= -1 && n < model.get("points"), "−1 or a point"] });
    const threads = table(view, "threads", {
      title: "threads and their points",
      onfocus: (place) => point({ thread: place?.[0] ?? 0 }),
      onedit([t], text) {
        const state = now();
        if (state.pattern !== "own") view.set({ pattern: "own", index: [...state.rows] });
        typed.set("index", [placeOf(t, state)[0]], text);
      },
    });
    const memory = table(view, "memory", {
      title: "touched cache lines",
      onfocus: (place) => point(place ? { sector: 4 * now().lines[place[0]] + place[1] } : { thread: 0 }),
    });
    view.stage.prepend(make(".g3x-half", {}, patterns, sums), make(".g3x-half", {}, threads.box, memory.box));

    function now() {
      const state = view.get(TRAITS), cost = costOf(state);
      const at = cost.addresses.map((a) => Math.floor(a / SECTOR)); // −1 stays −1
      if (!("thread" in chosen || cost.sectors.includes(chosen.sector))) chosen = { thread: 0 };
      const { thread, sector: here = at[thread] } = chosen;
      return { ...state, ...cost, at, here, thread, lit: THREADS.filter((t) => (thread === undefined ? at[t] === here : t === thread)) };
    }

    function paint() {
      const state = now(), { channels: C, rows, addresses, at, here, lit, thread } = state;
      for (const [pattern, slider] of Object.entries(sliders)) slider.parentElement.hidden = pattern !== state.pattern;
      for (const [name, label] of labels) {
        const { sectors, share } = costOf(state, name);
        label.classList.toggle("now", name === state.pattern);
        label.style.setProperty("--w", `${100 * share || 0}%`);
        values[`${name} sectors`].textContent = many(sectors.length, "sector");
        values[`${name} share`].textContent = percent(share);
      }
      for (const name in SUMS) values[name].textContent = name === "share" ? percent(state.share) : state[name].length ?? state[name];
      threads.note(`of N = ${state.points}`);
      threads.update([32], (t) => {
        const [m] = placeOf(t, state);
        return typed.cell("index", [m], { text: say(rows[m], 12), kind: rows[m] < 0 ? "missing" : "index", mark: lit.includes(t) });
      });
      drawn(state);

      view.refuse(typed.words() ?? "");
      const [n, c] = state.along === "points" ? ["index[t]", "0"] : [`index[t // ${C}]`, `t % ${C}`];
      view.call(`thread t reads features[${state.memory === "channel-last" ? `${n}, ${c}` : `${c}, ${n}`}]`);
      const place = `sector ${here} (line ${Math.floor(here / 4)})`, [m, channel] = placeOf(lit[0], state);
      view.line(thread === undefined ? `${place}: ${many(lit.length, "thread")}: ${lit.join(", ")}`
        : here < 0 ? `thread ${thread}: index −1, reads nothing`
          : `thread ${thread}: point ${rows[m]}, channel ${channel}, bytes ${addresses[thread]}–${addresses[thread] + state.width - 1}: ${place}`);
      view.say(wordsOf(state));
    }

    /** The touched lines; ⋯ stands for those between, a bar for the bytes that are used. */
    function drawn({ lines, width, addresses, at, here, lit, thread }) {
      const readers = (k, q) => THREADS.filter((t) => at[t] === 4 * lines[k] + q);
      memory.update([lines.length, 4], (k, q) => {
        const { length } = readers(k, q), sector = 4 * lines[k] + q;
        return { text: length ? `${length}×` : "", kind: length ? "source" : "context", mark: sector === here, title: `sector ${sector}` };
      });
      lines.forEach((line, k) => {
        memory.cell(k, 0).parentElement.dataset.line = `${line > (k ? lines[k - 1] + 1 : 0) ? "⋯ " : ""}line ${line}`;
        for (let q = 0; q < 4; q++) {
          const bars = readers(k, q).map((t) => {
            const from = (addresses[t] % SECTOR) / 0.32, to = from + width / 0.32;
            return `linear-gradient(90deg,#0000 ${from}%,var(--${addresses[t] === addresses[thread] ? "ink" : "source"}-c) ${from}% ${to}%,#0000 ${to}%)`;
          });
          memory.cell(k, q).style.cssText = bars.length ? `background-image:${bars};background-size:100% 9px` : "";
        }
      });
      const to = memory.cells.querySelector(".mark");
      arrows(view, lit.map((t) => ({ from: threads.cell(t), to })));
    }

    view.follow(TRAITS, view.repaint);
    view.onpaint(paint);
    return view.end;
  },
};
