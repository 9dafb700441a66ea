// NeighbourExplorer: a cloud, a query, and the row of neighbours. The rule is `search`, the rest is its picture.

const METHODS = {
  knn: ["k nearest", ({ k }) => `distance, index = knn(query, points, k=${k})`],
  ball: ["ball", ({ k, radius }) => `distance, index = ball_query(query, points, radius=${radius}, k=${k})`],
  first: ["first K", ({ k, radius }) => `index = (distance <= ${radius}).nonzero()[:${k}]  # storage order`],
};

/** What each kind of search keeps of the points, as rows; the nearest come first, or those stored first. */
function search({ points, query, method, k, radius }) {
  const [x, y, z] = points[query];
  const away = points.map((p) => Math.sqrt((x - p[0]) ** 2 + (y - p[1]) ** 2 + (z - p[2]) ** 2));
  const inside = [...away.keys()].filter((n) => away[n] <= radius);
  const sorted = (rows) => rows.sort((a, b) => away[a] - away[b] || a - b);
  const nearest = sorted([...inside]).slice(0, k);
  const kept = { knn: () => sorted([...away.keys()]).slice(0, k), ball: () => nearest, first: () => inside.slice(0, k) }[method]();
  const missed = method === "first" ? nearest.filter((n) => !kept.includes(n)) : [];
  const farther = method === "first" ? kept.filter((n) => !nearest.includes(n)) : [];
  return { away, inside, nearest, kept, missed, farther };
}

/** Why there is no answer, in Python's words, or "". */
function refusalOf({ points, query, k, radius, method }) {
  const fault = faultOf(points, "query", query) || (method !== "knn" && lengthFault("radius", radius));
  if (fault) return fault;
  if (!(method in METHODS)) return `method: got ${method}, wanted knn, ball or first`;
  if (!Number.isInteger(k) || k < 1) return `k: got ${k}, wanted a whole number of at least 1`;
  if (method === "knn" && k > points.length) return `k: got ${k}, wanted at most the ${points.length} points there are`;
  return "";
}

export default {
  render({ model, el }) {
    const view = frame(model, el, "NeighbourExplorer: which points are near this one");
    let points = [], now = null, here = null;

    // ---- controls

    choice(view, "method", "search", Object.entries(METHODS).map(([value, [words]]) => [value, words]));
    range(view, "k", "k", { min: 1, max: 12, words: String });
    const radius = range(view, "radius", "radius", { min: 0.1, max: 1.5, step: 0.05, words: (r) => `${say(r)} m` }).parentElement;
    const wanted = (n) => (n >= 0 && n < points.length ? "" : `query: got ${n}, wanted 0 … ${points.length - 1}`);
    const go = (n) => { if (!wanted(n)) view.set({ query: n }); };
    const field = rowField(view, "query", "query", {
      step: (by) => go((model.get("query") + by + points.length) % points.length),
      type: (n) => { go(n); return wanted(n); },
    });

    // ---- picture and tables

    const scene = space(view, {
      label: "The cloud; a tap picks the query, and the keys n and p the next and the previous point",
      home: [-2.5, 0.75, 2.4],
      onpick: go,
      onkey: (event) => field.key(event),
    });
    const key = legend(view, view.overlay);
    const point = (place) => { here = place ? place.at(-1) : null; view.repaint(); };
    const rows = {
      index: table(view, "index", { title: "index", kind: "index", onfocus: point }),
      distance: table(view, "distance", { title: "distance, metres", kind: "result", onfocus: point }),
      nearest: table(view, "nearest", { title: "what the nearest would be", kind: "result" }),
    };
    const wide = scroller(view, "the row of the query", ...Object.values(rows));
    wide.classList.add("g3x-near");
    wide.append(make("style", {}, ".g3x-near .g3x-cell{min-width:52px;padding:0 1px;font-size:13px}"));
    onenter(view, rows.index, () => { if (here in now.kept) go(now.kept[here]); });

    function read() {
      points = cloud(model.get("cloud"));
      scene.bounds(...extent(points, 0.1));
      seek();
    }

    function seek() {
      const state = { points, ...Object.fromEntries(["query", "method", "k", "radius"].map((name) => [name, model.get(name)])) };
      const refusal = refusalOf(state);
      now = { ...state, refusal, ...(refusal ? { kept: [], missed: [], farther: [], inside: [], away: [], nearest: [] } : search(state)) };
      field.forget();
      view.repaint();
    }

    // ---- what is painted

    /** Points that no search keeps are small; where storage order counts, the later the fainter. */
    function items() {
      const { query, method, kept, missed, farther, away, refusal } = now;
      const few = new Set([...kept, ...missed]);
      const list = points.map((at, n) => {
        const alpha = method === "first" ? 1 - (0.8 * n) / points.length : 0.6;
        return few.has(n) || (!refusal && n === query) ? null : { id: n, at, r: 1.7, kind: "source", alpha, width: 0 };
      }).filter(Boolean);
      if (refusal) return points.every((p) => p.every(Number.isFinite)) ? list : [];
      const from = points[query];
      for (const [j, n] of kept.entries()) {
        const kind = farther.includes(n) ? "wrong" : "index";
        const mark = j === here;
        list.push({ from, to: points[n], kind, width: mark ? 4 : 1.8, over: true });
        list.push({ id: n, at: points[n], r: mark ? 7 : 4.5, kind, shape: kind === "wrong" ? "square" : "dot", over: true });
      }
      for (const n of missed) list.push({ id: n, at: points[n], r: n === query ? 9 : 6, kind: "result", shape: "ring", width: 2.2, over: true });
      list.push({ id: query, at: from, r: 5.5, over: true });
      list.push({ at: from, radius: method === "knn" ? away[kept.at(-1)] || 1e-6 : now.radius, fill: 0.07, width: 1.5, dash: [5, 4], over: true });
      return list;
    }

    function paint() {
      const { query, method, k, refusal, kept, missed, farther, away, inside, nearest } = now;
      radius.hidden = method === "knn";
      field.show(query);
      scene.camera.focus = refusal ? null : points[query];
      scene.draw(items());

      const shape = [refusal ? 0 : k];
      const none = { text: "−1", kind: "missing" };
      rows.index.note(`[${shape}]`);
      rows.index.update(shape, (j) => (j in kept
        ? { text: String(kept[j]), mark: j === here, kind: farther.includes(kept[j]) ? "wrong" : "index" } : none));
      rows.distance.note(`[${shape}]`);
      rows.distance.update(shape, (j) => (j in kept ? { text: say(away[kept[j]]), mark: j === here } : { text: "inf", kind: "missing" }));
      rows.nearest.box.hidden = method !== "first";
      rows.nearest.note(`[${shape}], marked where left out`);
      rows.nearest.update(shape, (j) => (j in nearest ? { text: String(nearest[j]), mark: missed.includes(nearest[j]) } : none));
      key([
        ["source", "dot", "cloud"], ["ink", "dot", "query"], ["index", "dot", "kept"],
        ...(method === "first" ? [["wrong", "square", "kept, though nearer ones are not"], ["result", "ring", "nearer, left out"]] : []),
      ]);

      view.refuse(field.words() || refusal);
      view.line(refusal ? "" : METHODS[method][1](now));
      view.say(refusal ? "There is no row." : words());
    }

    function words() {
      const { query, method, k, kept, missed, away, inside, radius: r } = now;
      const far = away[kept.at(-1)];
      if (here !== null && here in kept) return `Neighbour ${here} is point ${kept[here]}, ${say(away[kept[here]])} m away. Enter makes it the query.`;
      if (method === "knn") return `Point ${query} and its ${k - 1} nearest: the row is always full, however far it must reach, here ${say(far)} m.`;
      const count = `${inside.length} ${inside.length === 1 ? "point lies" : "points lie"} within ${say(r)} m of point ${query}, itself included; `;
      if (inside.length <= k) return `${count}the row has room for ${k}${inside.length < k ? `, so it ends in ${k - inside.length} × −1` : ""}.`;
      if (method === "ball") return `${count}the row keeps the ${k} nearest.`;
      return `${count}the row keeps the ${k} that are stored first. ${missed.length} of the ${k} nearest ${missed.length === 1 ? "is" : "are"} left out${missed.includes(query) ? ", even the query itself" : ""}.`;
    }

    view.follow("cloud", read);
    view.follow("query method k radius", () => { here = null; seek(); });
    read();
    view.onpaint(paint);
    return view.end;
  },
};
