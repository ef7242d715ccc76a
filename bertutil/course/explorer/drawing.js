/**
 * The drawings of the explorer: each function puts one into an element, or brings the one that is there up to date,
 * so that what changes can move. No module is needed, no page is assumed, and colours come from drawing.css.
 */

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = ["M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0", "M0,-7.5L7,5.5L-7,5.5Z", "M-5.5,-5.5H5.5V5.5H-5.5Z"];

/**
 * One column for each piece, in the order of the text: a bar, a number, the piece. A column is a button.
 * @param {HTMLElement} box
 * @param {{text: string, share: number, number: string, label: string, mark?: string}[]} items
 * `share`: the height of the bar, 0 to 1; `label`: for a screen reader; `mark`: a word under the piece
 * @param {(index: number) => void} onChoose
 */
export function columns(box, items, onChoose) {
  box.classList.add("ex-columns");
  fit(box, items.length, () => {
    const button = html("button", "ex-column", { type: "button" });
    for (const part of ["ex-track", "ex-number", "ex-piece", "ex-mark"]) button.append(html("span", part));
    button.firstElementChild?.append(html("span", "ex-fill"));
    return button;
  });
  items.forEach((item, i) => {
    const button = /** @type {HTMLButtonElement} */ (box.children[i]);
    const [track, number, piece, mark] = /** @type {HTMLElement[]} */ ([...button.children]);
    button.onclick = () => onChoose(i);
    button.setAttribute("aria-label", item.label);
    button.setAttribute("aria-pressed", String(Boolean(item.mark)));
    button.dataset.mark = item.mark ?? "";
    track.style.setProperty("--share", String(Math.min(Math.max(item.share, 0), 1)));
    number.textContent = item.number;
    piece.textContent = item.text;
    mark.textContent = item.mark ?? "";
  });
  rove(box, 1);
}

/**
 * A grid of squares; the area of a square is its value. A cell is a button.
 * @param {HTMLElement} box
 * @param {{rows: string[], columns: string[], values: number[][], largest: number,
 *   label: (row: number, column: number) => string, chosen?: (row: number, column: number) => boolean}} content
 * @param {(row: number, column: number) => void} onChoose  on a click, and when the focus comes by the keyboard
 */
export function squares(box, { rows, columns: heads, values, largest, label, chosen }, onChoose) {
  const width = heads.length;
  box.classList.add("ex-squares");
  box.style.setProperty("--columns", String(width));
  fit(box, (rows.length + 1) * (width + 1), (place) => {
    const isCell = place > width && place % (width + 1) > 0;
    const cell = isCell ? html("button", "ex-cell", { type: "button" }) : html("span", place > width ? "ex-row" : "ex-head");
    if (isCell) cell.append(html("span", "ex-square"));
    return cell;
  }, `${rows.length}x${width}`);
  ["", ...heads].forEach((text, column) => { box.children[column].textContent = text; });
  rows.forEach((text, row) => {
    const start = (row + 1) * (width + 1);
    box.children[start].textContent = text;
    for (let column = 0; column < width; column++) {
      const cell = /** @type {HTMLButtonElement} */ (box.children[start + 1 + column]);
      const side = Math.sqrt(Math.min(values[row][column] / largest, 1));
      cell.style.setProperty("--side", values[row][column] > 0 ? side.toFixed(3) : "0");
      cell.setAttribute("aria-label", label(row, column));
      cell.setAttribute("aria-pressed", String(Boolean(chosen?.(row, column))));
      cell.title = label(row, column);
      cell.onclick = () => onChoose(row, column);
    }
  });
  rove(box, width);
}

/**
 * Lines over the layers: one that is meant, with its numbers, and others that are faint.
 * @param {HTMLElement} box
 * @param {{main: number[], others?: number[][], dashed?: {values: number[], text: string}[], low: number,
 *   high: number, steps?: number, layer: number, axis: string, unit: string, describe: string}} content
 * `dashed`: levels or lines to compare with, each with its name; `describe`: what a person sees who looks at it
 */
export function curve(box, { main, others = [], dashed = [], low, high, steps = 4, layer, axis, unit, describe }) {
  const [width, height, left, right, top, bottom] = [600, 280, 58, 18, 36, 54];
  const x = (/** @type {number} */ i) => left + (i * (width - left - right)) / Math.max(main.length - 1, 1);
  const y = (/** @type {number} */ v) => top + ((high - Math.min(Math.max(v, low), high)) * (height - top - bottom)) / (high - low);
  const path = (/** @type {number[]} */ values) => values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)},${y(v).toFixed(1)}`).join("");
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": describe, class: "ex-curve" });
  for (let i = 0; i <= steps; i++) {
    const value = low + ((high - low) * i) / steps;
    picture.append(svg("path", { d: `M${left},${y(value)}H${width - right}`, class: "ex-grid" }));
    picture.append(label(left - 8, y(value) + 5, value.toFixed(2), "end"));
  }
  main.forEach((_, i) => picture.append(label(x(i), height - bottom + 23, String(i), "middle")));
  picture.append(label((left + width - right) / 2, height - 6, axis, "middle"), label(4, 18, unit, "start"));
  picture.append(svg("path", { d: `M${x(layer)},${top}V${height - bottom}`, class: "ex-now" }));
  for (const values of others) picture.append(svg("path", { d: path(values), class: "ex-other" }));
  for (const { values, text } of dashed) {
    picture.append(svg("path", { d: path(values), class: "ex-dashed" }));
    const end = values[values.length - 1];
    picture.append(label(width - right, y(end) + (end > (low + high) / 2 ? 20 : -6), text, "end", "ex-name"));
  }
  picture.append(svg("path", { d: path(main), class: "ex-main" }));
  main.forEach((value, i) => {
    picture.append(svg("circle", { cx: x(i), cy: y(value), r: i === layer ? 6 : 3.5, class: "ex-dot" }));
    if (i === layer) picture.append(label(x(i), y(value) - 12, value.toFixed(3), i === main.length - 1 ? "end" : "middle", "ex-value"));
  });
  box.replaceChildren(picture);
}

/**
 * Points in two dimensions, which move when they change, and for one of them a line to its nearest other one.
 * @param {HTMLElement} box
 * @param {{points: {x: number, y: number, kind: number, label: string}[], size: number, chosen: number,
 *   nearest: number, describe: string}} content  `x`, `y`: -size to size; `kind`: 0 to 2, another shape for each
 * @param {(index: number) => void} onChoose  on hover, focus and click
 */
export function scatter(box, { points, size, chosen, nearest, describe }, onChoose) {
  const margin = size * 1.08;
  let picture = /** @type {SVGElement | null} */ (box.querySelector("svg"));
  if (!picture) {
    picture = svg("svg", { viewBox: "-216 -216 432 432", role: "group", class: "ex-scatter" });
    picture.append(svg("path", { class: "ex-link" }), svg("g", {}));
    box.replaceChildren(picture);
  }
  picture.setAttribute("aria-label", describe);
  const [link, group] = [...picture.children];
  const place = (/** @type {{x: number, y: number}} */ { x, y }) => [(x / margin) * 216, (y / margin) * 216];
  fit(group, points.length, () => {
    const point = svg("g", { class: "ex-point", role: "img" });
    point.append(svg("circle", { r: 14, class: "ex-target" }), svg("path", { class: "ex-shape" }));
    return point;
  });
  points.forEach((given, i) => {
    const point = /** @type {SVGGElement} */ (group.children[i]);
    const [x, y] = place(given);
    point.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    point.setAttribute("aria-label", given.label);
    point.dataset.kind = String(given.kind);
    point.classList.toggle("ex-chosen", i === chosen);
    point.classList.toggle("ex-near", i === nearest);
    point.lastElementChild?.setAttribute("d", SHAPES[given.kind % SHAPES.length]);
    point.onpointerenter = point.onclick = point.onfocus = () => onChoose(i);
  });
  const ends = [chosen, nearest].map((i) => points[i]).filter(Boolean).map(place);
  link.setAttribute("d", ends.length === 2 ? `M${ends[0]}L${ends[1]}` : "");
  rove(group, 1);
}

/**
 * The mark of a kind of points, for a legend.
 * @param {number} kind
 */
export function shape(kind) {
  const picture = svg("svg", { viewBox: "-9 -9 18 18", class: "ex-key", "aria-hidden": "true" });
  const point = svg("g", { class: "ex-point" });
  point.dataset.kind = String(kind);
  point.append(svg("path", { d: SHAPES[kind % SHAPES.length], class: "ex-shape" }));
  picture.append(point);
  return picture;
}

/**
 * One stop of the tab key for all children of a box: the arrow keys go on from there.
 * @param {Element} box @param {number} width  how many stand side by side, in a grid; else 1
 */
export function rove(box, width) {
  const stops = () => /** @type {HTMLElement[]} */ ([...box.children].filter((child) => child.matches("button, g")));
  const all = stops();
  const now = all.findIndex((stop) => stop === document.activeElement);
  const pressed = all.findIndex((stop) => stop.getAttribute("aria-pressed") === "true");
  all.forEach((stop, i) => stop.setAttribute("tabindex", i === Math.max(now < 0 ? pressed : now, 0) ? "0" : "-1"));
  const listening = /** @type {HTMLElement} */ (box);
  listening.onkeydown = (event) => {
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width, Home: -Infinity, End: Infinity };
    const own = stops();
    const at = own.findIndex((stop) => stop === document.activeElement);
    if (!(event.key in steps) || at < 0) return;
    event.preventDefault();
    const next = Math.min(Math.max(at + steps[event.key], 0), own.length - 1);
    own.forEach((stop, i) => stop.setAttribute("tabindex", i === next ? "0" : "-1"));
    own[next].focus();
  };
}

/**
 * Give a box as many children as are needed, and keep those that are there.
 * @param {Element} box @param {number} count @param {(place: number) => Element} make
 * @param {string} [form]  all are made anew where it changes
 */
function fit(box, count, make, form = "") {
  if (box.getAttribute("data-form") !== form) box.replaceChildren();
  box.setAttribute("data-form", form);
  while (box.children.length > count) box.lastElementChild?.remove();
  while (box.children.length < count) box.append(make(box.children.length));
}

/** @param {string} tag @param {string} kind @param {Record<string, string>} [attributes] */
function html(tag, kind, attributes = {}) {
  const element = document.createElement(tag);
  element.className = kind;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** @param {string} tag @param {Record<string, string | number>} attributes */
function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** @param {number} x @param {number} y @param {string} text @param {string} anchor @param {string} [kind] */
function label(x, y, text, anchor, kind = "ex-text") {
  const element = svg("text", { x, y, "text-anchor": anchor, class: kind });
  element.textContent = text;
  return element;
}
