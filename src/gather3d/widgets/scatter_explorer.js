// ScatterExplorer: values over their slot numbers, arrows to the slots. The rule is `write`, in
// float32, rounded after every step.

const SCATTER_STYLE = `
.g3x-scatter{display:grid;gap:5px}
.g3x-scatter .g3x-table{display:grid;grid-template-columns:4.9rem auto;align-items:center}
.g3x-scatter .g3x-table>p{margin:0}
.g3x-scatter [data-table=out]{margin-top:88px}
.g3x-scatter .g3x-row{display:grid;grid-template-columns:repeat(var(--n),var(--w));gap:5px}
.g3x-scatter .g3x-cell{width:100%;font-size:var(--f)}
.g3x .count.g3x-cell{height:24px}
.g3x .lost.g3x-cell{text-decoration:line-through}
.g3x .hot2{--hot:40%;--b:2px}.g3x .hot3{--hot:65%;--b:4px}
.g3x .hot.g3x-cell.result{border-width:var(--b) var(--b) calc(var(--b) + 2px)}
.g3x .hot.count{background:color-mix(in srgb,var(--c) var(--hot),transparent);border-width:2px;font-weight:700}
.g3x-scatter .faint{opacity:.35}
.g3x [data-control=written] input{width:6.5rem}`;

/** The rule: what the slots hold after these writes, one after another, and who wrote them. */
function write(values, index, size, reduce, turns) {
  const slots = Array(size).fill(0);
  const writers = slots.map(() => []);
  for (const m of turns) {
    const slot = index[m], value = f32(values[m]), first = !writers[slot].length;
    writers[slot].push(m);
    if (reduce === "replace" || first) slots[slot] = value;
    else slots[slot] = reduce === "amax" ? Math.max(slots[slot], value) : f32(slots[slot] + value);
  }
  if (reduce === "mean") writers.forEach((met, slot) => { slots[slot] = f32(slots[slot] / (met.length || 1)); });
  return { slots, writers };
}

/** What torch says to these, "" where it answers. */
function refusalOf(values, index, size) {
  if (index.length > values.length) {
    return `Expected index [${index.length}] to be no larger than self [${size}] apart from dimension 0 `
      + `and to be no larger size than src [${values.length}]`;
  }
  const outside = index.find((slot) => slot < 0 || slot >= size);
  return outside === undefined ? "" : outOfBounds(outside, 0, size);
}

const CALLS = {
  replace: "scatter(0, index, values)",
  sum: "scatter_add(0, index, values)",
  mean: 'scatter_reduce(0, index, values, "mean", include_self=False)',
  amax: 'scatter_reduce(0, index, values, "amax", include_self=False)',
};

/** How the values that meet become one. */
function arithmetic(reduce, met, result) {
  const texts = met.map(exact);
  const sum = texts.join(" + ").replaceAll("+ −", "− ");
  if (met.length < 2) return sum;
  return {
    replace: `${texts.join(", then ")} → ${result}`,
    sum: `${sum} = ${result}`,
    mean: `(${sum}) / ${met.length} = ${result}`,
    amax: `max(${texts.join(", ")}) = ${result}`,
  }[reduce];
}

export default {
  render({ model, el }) {
    const view = frame(model, el, "ScatterExplorer: where do the values go, and what if two meet", SCATTER_STYLE);
    let chosen; // slot

    function now() {
      const state = view.get("values index size reduce back order written"), { values, index, size, reduce } = state;
      const order = [...new Set([...state.order.filter((m) => m in index), ...index.keys()])];
      const done = Math.min(state.written ?? Infinity, order.length);
      const refusal = refusalOf(values, index, size);
      const turns = order.slice(0, done);
      const answer = refusal ? {} : write(values, index, size, reduce, turns);
      const others = refusal ? [] : write(values, index, size, reduce, turns.toReversed()).slots;
      return { ...state, order, done, refusal, others, ...answer };
    }

    // ---- controls

    const change = (act) => () => { stop(); view.set(act(now())); };
    choice(view, "reduce", "reduce", Object.keys(CALLS).map((name) => [name, name]));
    const examples = model.get("examples").map(([name, values, index, size]) => [`${[values, index, size]}`,
      button(view, name, change(() => { chosen = null; return { values, index, size, order: [], written: null }; }))]);
    group(view, "try", ...examples.map(([, el]) => el));
    const orders = { "as listed": () => [], reverse: (order) => order.toReversed(), shuffle: shuffled };
    const ordering = Object.entries(orders).map(([name, act]) => button(view, name, change(({ order }) => ({ order: act(order) }))));
    group(view, "order", ...ordering);
    const { play, step, stop } = replay(view, advance);
    const total = () => model.get("index").length;
    const slider = range(view, "written", "written", {
      min: 0, max: total, read: (written) => Math.min(written ?? Infinity, total()), words: (done) => `${done} of ${total()}`,
    });
    view.listen(slider, "input", stop);
    tick(view, "back", "swap: gather back");
    const sized = {
      values: stepper(view, "values", (by) => change(({ values, index }) => ({
        values: by > 0 ? [...values, values.length + 1] : values.slice(0, -1),
        index: by > 0 ? [...index, 0] : index.slice(0, values.length - 1),
        written: null,
      }))()),
      slots: stepper(view, "slots", (by) => change(({ size }) => ({ size: size + by }))()),
    };

    /** The next value flies to its slot; then it is written. After the last comes the first. */
    async function advance() {
      const { values: sent, index: slotOf, order, done, refusal } = now();
      if (refusal || !order.length) return false;
      const from = done < order.length ? done : 0;
      view.set({ written: from });
      const m = order[from];
      point(slotOf[m]);
      const landed = await fly(view, values.cell(m), out.cell(slotOf[m]), exact(f32(sent[m])));
      if (!landed || model.get("written") !== from) return false; // the reader has done something else
      view.set({ written: from + 1 });
      return from + 1 < order.length;
    }

    // ---- tables: one column for each value, one for each slot

    const typed = typing(view, {
      values: [(number) => Number.isFinite(f32(number)), "a finite float32"],
      index: [Number.isInteger, "a whole number"],
    });
    const point = (slot) => { chosen = slot; view.repaint(); };
    const byValue = { onfocus: (place) => point(model.get("index")[place?.[0]]) };
    const bySlot = { kind: "result", onfocus: (place) => point(place?.[0]) };
    const turn = table(view, "turn", { kind: "context", ...byValue });
    const values = typed.field("values", byValue);
    const returned = table(view, "back", { kind: "result", ...byValue });
    const index = typed.field("index", { kind: "index", ...byValue });
    const [out, count, reversed] = ["out", "writers", "reversed"].map((name) => table(view, name, bySlot));
    const flow = sheet(view, "g3x-scatter", turn, values, returned, index, out, count, reversed);

    // ---- the picture

    function paint() {
      const state = now();
      const { values: sent, index: slotOf, size, reduce, back, order, done, refusal, slots, writers, others } = state;
      const M = sent.length, fits = !refusal, shown = [fits ? size : 0];
      const most = fits && size ? writers.reduce((best, met, k) => (met.length > writers[best].length ? k : best), 0) : null;
      const here = fits && chosen in slots ? chosen : most;
      const rank = new Map(order.map((m, k) => [m, k]));
      const isDone = (m) => back || rank.get(m) < done;
      const isLost = (m) => fits && !back && reduce === "replace" && isDone(m) && writers[slotOf[m]]?.at(-1) !== m;
      const hot = (k) => (writers[k].length > 1 ? ` hot hot${Math.min(writers[k].length, 3)}` : "");
      const reached = (k) => (writers[k].length ? "result" : "missing");

      for (const control of [play, step, slider, ...ordering]) control.disabled = back || !fits || !slotOf.length;
      for (const [state, el] of examples) el.ariaPressed = state === `${[sent, slotOf, size]}`;
      ordering[0].ariaPressed = order.every((m, k) => m === k);
      for (const [name, count] of [["values", Math.max(M, slotOf.length)], ["slots", size]]) {
        sized[name].less.disabled = !count;
        sized[name].more.disabled = count > 11;
      }

      const longest = Math.max(...[...sent, ...(slots ?? []), ...others, 0].map((v) => exact(f32(v)).length));
      const columns = Math.max(M, size, slotOf.length, 1), room = (view.stage.clientWidth - 90) / columns - 5;
      const width = Math.max(40, 7.6 * longest + 4, Math.min(60, room));
      flow.style.cssText = `--n:${columns};--w:${width}px;--f:${longest > 5 ? 11.5 : 14}px`;
      turn.box.hidden = values.box.hidden = reversed.box.hidden = back;
      returned.box.hidden = !back;
      count.title(back ? "readers" : "writers");

      turn.update([slotOf.length], (m) => ({ text: String(rank.get(m) + 1) }));
      values.update([M], (m) => typed.cell("values", [m], {
        text: exact(f32(sent[m])),
        kind: (m < slotOf.length ? "source" : "missing") + (isLost(m) ? " lost" : ""),
        mark: fits && isDone(m) && slotOf[m] === here,
      }));
      index.update([slotOf.length], (m) => typed.cell("index", [m], {
        text: say(slotOf[m], 17),
        kind: slotOf[m] < 0 || slotOf[m] >= size ? "wrong" : "index",
        mark: fits && slotOf[m] === here,
      }));
      returned.update(fits && back ? [slotOf.length] : [0], (m) => ({ text: exact(slots[slotOf[m]]), mark: slotOf[m] === here }));
      out.update(shown, (k) => ({ text: exact(slots[k]), kind: back ? "source" : reached(k) + hot(k), mark: k === here }));
      count.update(shown, (k) => ({ text: String(writers[k].length), kind: `${writers[k].length ? "index" : "missing"} count${hot(k)}` }));
      reversed.update(shown, (k) => ({ text: exact(others[k]), kind: exact(others[k]) === exact(slots[k]) ? reached(k) : "wrong" }));
      arrows(view, fits ? slotOf.map((k, m) => {
        const ends = [index.cell(m), out.cell(k)];
        const kind = !isDone(m) ? "context" : isLost(m) ? "missing" : back ? "source" : "index";
        return { from: ends[+back], to: ends[+!back], kind: kind + (k === here ? "" : " faint") };
      }) : []);

      view.refuse(typed.words() || (refusal && `torch refuses: ${refusal}`));
      view.call(back ? "out.gather(0, index)" : `torch.zeros(${size}).${CALLS[reduce]}`);
      view.line(here === null ? "" : lineOf(here, state));
      view.say(refusal ? "There is no output." : here === null ? "There is no slot." : wordsOf(here, state));
    }

    function lineOf(slot, { values: sent, reduce, back, writers, slots }) {
      const met = writers[slot], result = exact(slots[slot]);
      if (back) return `${met.map((m) => `back[${m}] = `).join("")}out[${slot}] = ${result}`;
      return `out[${slot}] = ${met.length ? arithmetic(reduce, met.map((m) => f32(sent[m])), result) : "0, not written"}`;
    }

    function wordsOf(slot, { reduce, back, order, done, slots, writers, others }) {
      const n = writers[slot].length, [here, there] = [slots, others].map((row) => exact(row[slot]));
      if (back) {
        return `${n} of ${order.length} cells read slot ${slot}, and each gets ${here}. Readers never collide.`
          + (reduce === "sum" ? " With gradients in the slots, this is the backward of scatter_add." : "");
      }
      const start = done < order.length ? `${done} of ${order.length} written. ` : "";
      if (n < 2) return `${start}${n ? "One value" : "No value"} has come to slot ${slot}.`;
      const same = here === there, added = same
        ? `None is lost, and the reverse order gives the same ${reduce}.`
        : `None is lost, yet the reverse order gives ${there}, not ${here}: float32 rounds after every addition.`;
      return `${start}${n} values meet in slot ${slot}. ${{
        replace: same ? `Both orders leave ${here}, but torch promises no order.` : `This order leaves ${here}, its reverse ${there}; torch promises neither.`,
        sum: added,
        mean: added,
        amax: "The largest stays, in every order.",
      }[reduce]}`;
    }

    view.follow("values index size reduce order written back", view.repaint);
    view.onpaint(paint);
    return view.end;
  },
};
