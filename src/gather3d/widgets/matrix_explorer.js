// MatrixExplorer: the matrix S stands between the vector above it and the result beside it. The rule
// is `matrixOf`; the result is a row times the vector, whatever the operation.

const MATRIX_STYLE = `
.g3x-matrix{display:grid;gap:.5rem .7rem;justify-items:start;grid-template-areas:". vector ." ". over ." "side matrix result"}
.g3x-matrix [data-table=vector]{grid-area:vector}.g3x-matrix [data-table=matrix]{grid-area:matrix}
.g3x-matrix [data-table=result]{grid-area:result}.g3x-matrix .over{grid-area:over}.g3x-matrix .side{grid-area:side}
.g3x-matrix .g3x-table>p{white-space:nowrap}
.g3x-matrix .g3x-cell,.g3x-matrix input.g3x-cell{width:44px}
.g3x-matrix{isolation:isolate}.g3x-matrix .g3x-arrows{z-index:-1}
.g3x-matrix .upright .g3x-row{flex-direction:column}
.g3x-matrix .g3x-cell.zero{--c:var(--line-c);background:none;border-style:dotted;color:color-mix(in srgb,var(--ink-c) 75%,transparent)}
.g3x-matrix .g3x-cell.zero.mark{background:color-mix(in srgb,var(--line-c) 30%,transparent);box-shadow:none}
.g3x-matrix .upright .context.g3x-cell{height:32px}
@media (max-width:480px){.g3x-matrix{gap:.3rem}.g3x-matrix .g3x-row,.g3x-matrix .g3x-slab{gap:2px}
.g3x-matrix .g3x-cell,.g3x-matrix input.g3x-cell{width:34px;font-size:11px}}`;

const CORNERS = [...Array(8).keys()].map((k) => [k >> 2, (k >> 1) & 1, k & 1]);
const flip = (rows, columns) => Array.from({ length: columns }, (_, i) => rows.map((row) => row[i]));
const oneHot = (k, size) => Array.from({ length: size }, (_, i) => Number(i === k));

/** The rule: S of the operation, a row for each output, a column for each input. */
function matrixOf({ operation, index, size, positions, offsets, taps }) {
  if (operation === "gather") return index.map((k) => oneHot(k, size));
  if (operation === "scatter-add") return flip(index.map((k) => oneHot(k, size)), size);
  if (operation === "trilinear") {
    return positions.map((at) => CORNERS.map((corner) => corner.reduce((weight, k, a) => weight * Math.max(0, 1 - Math.abs(at[a] - k)), 1)));
  }
  return Array.from({ length: size }, (_, o) => offsets.reduce((row, offset, k) => {
    if (o + offset in row) row[o + offset] += taps[k];
    return row;
  }, Array(size).fill(0)));
}

/** The call that does the same: forward, or backward where S is transposed. */
function callOf({ operation, transposed, size, offsets: [before, middle, after] }) {
  const scatter = (source) => `torch.zeros(${size}).scatter_add(0, index, ${source})`;
  const sample = "trilinear_sample(x.reshape(1, 1, 2, 2, 2), positions[None])";
  const regular = middle === 0 && after > 0 && before === -after;
  const convolve = (name, source) => `F.${name}(${source}[None], taps[None, None], padding=${after}, dilation=${after})`;
  return {
    gather: ["x.gather(0, index)", scatter("gradient")],
    "scatter-add": [scatter("x"), "gradient.gather(0, index)"],
    trilinear: [sample, `${sample}.flatten().backward(gradient)`],
    convolution: regular
      ? [convolve("conv1d", "x"), convolve("conv_transpose1d", "gradient")]
      : ["out[o] = Σₖ taps[k] · x[o + offsets[k]]", "x.grad[o + offsets[k]] += taps[k] · gradient[o]"],
  }[operation][Number(transposed)];
}

const BACKWARD = {
  gather: "Gather's backward is scatter-add with the same index.",
  "scatter-add": "Scatter-add's backward is gather with the same index.",
  trilinear: "The backward of sampling spreads each gradient over the corners, with the same weights.",
  convolution: "The backward is a convolution, too, with the taps turned round.",
};

export default {
  render({ model, el }) {
    const view = frame(model, el, "MatrixExplorer: which sparse matrix is this operation, and what is its transpose", MATRIX_STYLE);
    let chosen = { row: 1 };

    function now() {
      const state = view.get("operation index size positions offsets taps transposed");
      const { operation, index, size, transposed } = state;
      const name = transposed ? "gradient" : "x", vector = model.get(name);
      const byIndex = operation === "gather" || operation === "scatter-add";
      const outside = byIndex ? index.find((k) => k < 0 || k >= size) : undefined;
      const inputs = { "scatter-add": index.length, trilinear: 8 }[operation] ?? size;
      const S = outside === undefined ? matrixOf(state) : [];
      const rows = transposed ? flip(S, inputs) : S, columns = transposed ? S.length : inputs;
      const refusal = outside !== undefined ? `torch refuses: ${outOfBounds(outside, 0, size)}`
        : vector.length !== columns ? `${name}: got ${vector.length} numbers, wanted ${columns}` : "";
      const result = refusal ? [] : rows.map((row) => row.reduce((sum, weight, i) => sum + weight * vector[i], 0));
      return { ...state, name, vector, byIndex, rows: refusal ? [] : rows, columns, refusal, result };
    }

    // ---- controls

    const radios = choice(view, "operation", "operation", Object.keys(BACKWARD).map((name) => [name, name]));
    // its vectors come with the operation, before anything is painted
    view.listen(radios, "change", () => { chosen = {}; view.set(model.get("start")[model.get("operation")]); });
    tick(view, "transposed", "transpose");
    /** One row of the parameter more or less, and one number of the vector that counts them. */
    const resize = (by) => {
      const { operation } = now();
      const [parameter, counted] = operation === "trilinear" ? ["positions", "gradient"] : ["index", operation === "gather" ? "gradient" : "x"];
      const grown = (list, fresh) => (by > 0 ? [...list, fresh] : list.slice(0, -1));
      const list = model.get(counted);
      view.set({ [parameter]: grown(model.get(parameter), operation === "trilinear" ? [0.5, 0.5, 0.5] : 0), [counted]: grown(list, list.length + 1) });
    };
    const count = stepper(view, "index", resize);

    // ---- tables

    const finite = [Number.isFinite, "a finite number"], integer = [Number.isInteger, "a whole number"];
    const typed = typing(view, { x: finite, gradient: finite, index: integer, positions: finite, offsets: integer, taps: finite });
    const point = (next) => { chosen = next; view.repaint(); };
    const byRow = (place) => point(place ? { row: place[0] } : { row: 0 });
    const byColumn = (place) => point(place ? { column: place[0] } : { row: 0 });
    const field = (name, options) => typed.field(name, { kind: "index", ...options });
    const vector = table(view, "vector", { onfocus: byColumn, onedit: (...what) => typed.set(now().name, ...what) });
    const index = field("index", { onfocus: (place) => (indexesRows() ? byRow : byColumn)(place) });
    const positions = field("positions", { title: "(z, y, x)", onfocus: (place) => (model.get("transposed") ? byColumn : byRow)(place) });
    const corners = table(view, "corners", { title: "corner", kind: "context" });
    const matrix = table(view, "matrix", { kind: "index", onfocus: byRow });
    const result = table(view, "result", { kind: "result", onfocus: byRow });
    const offsets = field("offsets"), taps = field("taps");
    sheet(view, "g3x-matrix", vector, index, corners, matrix, result);
    view.stage.prepend(positions.box, offsets.box, taps.box);
    result.box.classList.add("upright");

    /** Whether the index stands beside the rows of what is shown, or above its columns. */
    const indexesRows = () => (model.get("operation") === "gather") !== model.get("transposed");
    const stand = ({ box }, shown, beside) => {
      box.hidden = !shown;
      for (const name of ["side", "upright"]) box.classList.toggle(name, beside);
      box.classList.toggle("over", !beside);
    };

    // ---- the picture

    function paint() {
      const state = now();
      const { operation, transposed, name, vector: v, byIndex, rows, columns, refusal } = state;
      const trilinear = operation === "trilinear", convolution = operation === "convolution";
      const column = chosen.column in v && !refusal ? chosen.column : null;
      const here = column !== null || refusal ? null : chosen.row in rows ? chosen.row : 0;
      const lit = (o, i) => o === here || i === column;
      const reads = (o, i) => rows[o][i] !== 0;

      const parameters = (trilinear ? state.positions : state.index).length;
      count.field.hidden = convolution;
      count.field.firstChild.textContent = trilinear ? "positions" : "index";
      count.less.disabled = parameters < 2;
      count.more.disabled = parameters > 7;
      stand(index, byIndex, indexesRows());
      stand(corners, trilinear && !refusal, transposed);
      positions.box.hidden = !trilinear;
      offsets.box.hidden = taps.box.hidden = !convolution;

      const out = transposed ? "x.grad" : "out";
      vector.title(name);
      matrix.title(transposed ? "Sᵀ" : "S");
      result.title(out);
      matrix.note(refusal ? "none" : `[${rows.length}, ${columns}]`);
      vector.note(`[${v.length}]`);

      const inRow = (i) => (here !== null && reads(here, i)) || i === column;
      vector.update([v.length], (i) => typed.cell(name, [i], { text: say(v[i]), kind: "source", mark: !refusal && inRow(i) }));
      index.update([byIndex ? state.index.length : 0], (m) => typed.cell("index", [m], {
        text: say(state.index[m], 17),
        kind: state.index[m] < 0 || state.index[m] >= state.size ? "wrong" : "index",
        mark: !refusal && (indexesRows() ? m === here || (column !== null && reads(m, column)) : inRow(m)),
      }));
      positions.update([state.positions.length, 3], (p, a) => typed.cell("positions", [p, a], { text: say(state.positions[p][a]), mark: p === (transposed ? column : here) }));
      corners.update([8], (k) => ({ text: CORNERS[k].join("") }));
      offsets.update([3], (k) => typed.cell("offsets", [k], { text: say(state.offsets[k], 17) }));
      taps.update([3], (k) => typed.cell("taps", [k], { text: say(state.taps[k]) }));
      matrix.update(refusal ? [0, 0] : [rows.length, columns], (o, i) => ({ text: say(rows[o][i], 3), title: String(rows[o][i]), kind: reads(o, i) ? "index" : "zero", mark: lit(o, i) }));
      result.update([rows.length], (o) => ({ text: say(state.result[o]), title: String(state.result[o]), mark: o === here || (column !== null && reads(o, column)) }));
      const entries = rows.flatMap((each, o) => each.map((_, i) => [o, i])).filter(([o, i]) => lit(o, i) && reads(o, i));
      arrows(view, entries.flatMap(([o, i]) => [
        { from: vector.cell(i), to: matrix.cell(o, i), kind: "source" },
        { from: matrix.cell(o, i), to: result.cell(o), kind: "result" },
      ]));

      view.refuse(typed.words() || refusal);
      view.call(callOf(state));
      const list = (places, vector) => places.map((k) => `${vector}[${k}]`).join(", ") || "nothing";
      if (refusal) {
        view.line("");
        view.say("There is no result.");
      } else if (column !== null) {
        const readers = [...rows.keys()].filter((o) => reads(o, column));
        view.line(`${name}[${column}] → ${list(readers, out)}`);
        view.say(`Column ${column} says who reads ${name}[${column}]: ${readers.length} of ${rows.length}. ${BACKWARD[transposed && operation] ?? "Transposed, it is the row that adds what comes back."}`);
      } else {
        const read = [...rows[here].keys()].filter((i) => reads(here, i));
        const weights = read.map((i) => rows[here][i]);
        view.line(`${out}[${here}] = ${read.map((i) => `${say(rows[here][i])}·${say(v[i])} `).join("+ ")}${read.length ? "= " : ""}${say(state.result[here])}`);
        view.say(`Row ${here} is the reading list of ${out}[${here}]: ${list(read, name)}.`
          + (read.length > 1 ? ` The weights add up to ${say(weights.reduce((a, b) => a + b))}.` : "")
          + (transposed ? ` ${BACKWARD[operation]}` : ""));
      }
    }

    view.follow("transposed", () => { chosen = { row: chosen.column, column: chosen.row }; });
    view.follow("operation x gradient index size positions offsets taps transposed", view.repaint);
    view.onpaint(paint);
    return view.end;
  },
};
