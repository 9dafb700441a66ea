//#region space
// Points, lines, boxes and balls in 3D on a plain canvas: (x, y, z) in metres, z up, in parallel projection. It
// imports nothing: a page loads it as a module of its own.

const TURNS = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
const KEYS = { "+": "+", "=": "+", "-": "−", Home: "⌂" };
const REACH = 24; // pixels from a tap to what it picks

/**
 * A canvas in the stage. `home`: the first camera's direction round z and height, radians, and zoom. A tap calls
 * onpick(id), a key without use here onkey(event), true if used. Call `bounds(low, high)`, then `draw(items)` in
 * each paint; `camera.focus` is zoomed towards. Items:
 *
 *     { at, r, shape }        a point, r pixels: "dot", "square" or "ring"
 *     { at, radius, fill }    a ball               { from, to }           a line
 *     { at, text }            words                { low, high, fill }    a box
 *
 * with { id, kind, alpha, width, dash, over }: what a tap picks, colour (source, index, …), opacity, stroke. Far
 * ones are painted first, those `over` the others last.
 */
export function space(view, { label, home = [-1.2, 0.6, 1], height = 340, onpick, onkey }) {
  const add = (parent, kind, style, rest) => parent.appendChild(Object.assign(document.createElement(kind), { style }, rest));
  const box = add(view.stage, "div", "position:relative;flex:1 1 100%;min-width:0");
  const canvas = add(box, "canvas", `display:block;width:100%;height:${height}px;border:1px solid var(--line-c);border-radius:4px;touch-action:pan-y`,
    { tabIndex: 0, role: "application", ariaLabel: `${label}. Arrow keys turn it, plus and minus zoom, Home goes back.` });
  const buttons = add(box, "div", "position:absolute;top:6px;right:6px;display:flex;gap:4px");
  const ctx = canvas.getContext("2d");
  const camera = { focus: null };
  let low, high, placed = [], project, colours, grip;

  // ---- the camera

  function look(yaw, pitch, zoom) {
    Object.assign(camera, { yaw, pitch: Math.min(Math.PI / 2, Math.max(0, pitch)), zoom: Math.min(12, Math.max(0.5, zoom)) });
    view.repaint();
  }
  const turn = (yaw, pitch) => look(camera.yaw + yaw, camera.pitch + pitch, camera.zoom);
  const zoom = (by) => look(camera.yaw, camera.pitch, camera.zoom * by);
  const acts = { "+": ["zoom in", () => zoom(1.25)], "−": ["zoom out", () => zoom(0.8)], tilt: ["tilt", () => turn(0, camera.pitch < 1.57 ? 0.4 : -2)], "⌂": ["first view", () => look(...home)] };

  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const mix = (a, b, t) => a.map((x, d) => x + t * (b[d] - x));

  /** To the right, down, towards the eye. */
  function axes(yaw, pitch) {
    const [s, c, t, d] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
    return [[-s, c, 0], [t * c, t * s, -d], [d * c, d * s, t]];
  }

  /** From metres to [pixels right, pixels down, depth]. */
  function projection(width, tall) {
    const [w, h] = axes(...home).map((axis) => dot(axis.map(Math.abs), high.map((x, d) => x - low[d])));
    const scale = camera.zoom * Math.min((width - 24) / w, (tall - 24) / h);
    const middle = mix(low, high, 0.5);
    const centre = mix(middle, camera.focus ?? middle, Math.max(0, 1 - camera.zoom ** -2));
    const [right, down, eye] = axes(camera.yaw, camera.pitch);
    const [x, y] = [width / 2 - scale * dot(centre, right), tall / 2 - scale * dot(centre, down)];
    return Object.assign((p) => [x + scale * dot(p, right), y + scale * dot(p, down), dot(p, eye)], { scale, right, down, eye });
  }

  // ---- hands

  for (const [textContent, [title, act]] of Object.entries(acts)) {
    view.listen(add(buttons, "button", "background:var(--g3-paper,Canvas)", { textContent, title, ariaLabel: title }), "click", act);
  }
  view.listen(canvas, "pointerdown", ({ pointerId, clientX, clientY }) => {
    grip = [clientX, clientY, 0];
    canvas.setPointerCapture(pointerId);
  });
  view.listen(canvas, "pointermove", ({ clientX, clientY }) => {
    if (!grip) return;
    const [dx, dy] = [clientX - grip[0], clientY - grip[1]];
    grip = [clientX, clientY, grip[2] + Math.hypot(dx, dy)];
    if (grip[2] > 4) turn(-dx / 100, dy / 100);
  });
  view.listen(canvas, "pointerup", ({ offsetX, offsetY }) => { if (grip?.[2] <= 4) pick(offsetX, offsetY); });
  view.listen(canvas, "lostpointercapture", () => { grip = null; });
  view.listen(canvas, "keydown", (event) => {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key in TURNS) turn(...TURNS[key]);
    else if (key in KEYS) acts[KEYS[key]][1]();
    else if (key === "Escape") canvas.blur();
    else if (!onkey?.(event)) return;
    event.preventDefault();
  });

  /** What is nearest to a place on the canvas, the one in front where two coincide. */
  function pick(x, y) {
    const away = ({ at }) => Math.hypot(at[0] - x, at[1] - y);
    const near = placed.filter((one) => "id" in one.item && away(one) < REACH);
    if (near.length) onpick?.(near.sort((a, b) => away(a) - away(b) || b.at[2] - a.at[2])[0].item.id);
  }

  // ---- the picture

  function paint({ item, at: [x, y] }) {
    const { kind = "ink", alpha = 1, width = 1, dash = [], r, shape = "dot" } = item;
    ctx.fillStyle = ctx.strokeStyle = colours[kind];
    Object.assign(ctx, { globalAlpha: alpha, lineWidth: width });
    ctx.setLineDash(dash);
    ctx.beginPath();
    if (item.text) return ctx.fillText(item.text, x, y);
    if (item.from) trace(item.from, item.to);
    else if (item.low) faces(item.low, item.high);
    else if (shape === "square") ctx.rect(x - r, y - r, 2 * r, 2 * r);
    else ctx.arc(x, y, r ?? item.radius * project.scale, 0, 7);
    const fill = item.fill ?? (r && shape !== "ring" ? 1 : 0);
    if (width && fill < 1) ctx.stroke();
    ctx.globalAlpha *= fill;
    if (fill) ctx.fill();
  }

  function trace(...path) {
    path.forEach((p, k) => ctx[k ? "lineTo" : "moveTo"](...project(p)));
  }

  /** The three faces of a box that look at the eye. */
  function faces(...ends) {
    for (const [d, a, b] of [[0, 1, 2], [1, 2, 0], [2, 0, 1]]) {
      const side = ends[Number(project.eye[d] > 0)][d];
      const corner = (i, j, p = [side, side, side]) => { p[a] = ends[i][a]; p[b] = ends[j][b]; return p; };
      trace(corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1));
      ctx.closePath();
    }
  }

  function draw(items) {
    const size = [canvas.clientWidth, canvas.clientHeight], sharp = devicePixelRatio;
    const pixels = size.map((length) => Math.round(length * sharp));
    if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
    const style = getComputedStyle(view.root);
    colours = {};
    for (const kind of ["ink", "source", "index", "result", "missing", "wrong", "line"]) colours[kind] = style.getPropertyValue(`--${kind}-c`);
    colours.ink = style.color; // outside the book, the notebook's
    project = projection(...size);
    ctx.setTransform(sharp, 0, 0, sharp, 0, 0);
    ctx.clearRect(0, 0, ...size);
    ctx.font = "13px system-ui,sans-serif";
    placed = items.map((item) => ({ item, at: project(item.at ?? mix(item.low ?? item.from, item.high ?? item.to, 0.5)) }));
    const order = ({ item, at }) => at[2] + (item.over ? 1e9 : 0);
    placed.sort((a, b) => order(a) - order(b)).forEach(paint);
    legend(...size);
    canvas.dataset.camera = [camera.yaw, camera.pitch, camera.zoom].map((x) => x.toFixed(2));
  }

  /** Which way x, y and z go, and how long some metres are. */
  function legend(width, tall) {
    const power = 10 ** Math.floor(Math.log10(90 / project.scale));
    const metres = power * [5, 2, 1].find((m) => m * power * project.scale <= 90), long = metres * project.scale;
    paint({ item: { text: `${metres} m` }, at: [width - 12 - long, tall - 18] });
    ctx.fillRect(width - 12 - long, tall - 13, long, 2);
    for (const [d, text] of ["x", "y", "z"].entries()) {
      const [x, y] = [project.right[d], project.down[d]];
      for (let k = 0; k < 22; k++) ctx.fillRect(30 + x * k, tall - 30 + y * k, 1.5, 1.5);
      if (Math.hypot(x, y) > 0.4) ctx.fillText(text, 27 + 30 * x, tall - 26 + 30 * y);
    }
  }

  look(...home);
  view.stage.append(view.overlay); // above the canvas
  const theme = new MutationObserver(view.repaint);
  for (const root of [document.documentElement, document.body]) theme.observe(root, { attributeFilter: ["data-theme", "data-jp-theme-light"] });
  view.onend(() => theme.disconnect());
  canvas.place = (p) => project(p); // for whoever looks from outside
  return { canvas, camera, draw, bounds: (a, b) => { [low, high] = [a, b]; } };
}
//#endregion
