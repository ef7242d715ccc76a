/** The drawing in a notebook. All numbers are here from the start: no kernel is asked when something is chosen. */

import { drawNearness, speaker } from "./nearness.js";

/**
 * @param {{model: {get: (name: string) => any}, el: HTMLElement}} place  as anywidget calls it; the model holds what
 * widget.py sends: the pieces of each text, the cosines [layers, pieces, pieces], the first choice, the words
 */
function render({ model, el }) {
  const say = speaker(model.get("words"));
  const texts = /** @type {string[][]} */ (model.get("texts"));
  const bytes = /** @type {DataView} */ (model.get("cosines"));
  const cosines = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const n = texts.flat().length;
  const layers = cosines.length / (n * n) - 1;
  const cosine = (/** @type {number} */ layer, /** @type {number} */ one, /** @type {number} */ other) =>
    cosines[(layer * n + one) * n + other];
  const [from, to] = model.get("chosen");
  let choice = { from, to, layer: layers };

  const add = (/** @type {HTMLElement} */ box, /** @type {string} */ tag, kind = "", attributes = {}) => {
    const element = document.createElement(tag);
    element.className = kind;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    box.append(element);
    return element;
  };
  // the attribute keeps JupyterLab's own keys, such as Enter and the arrows, out of here
  const root = add(el, "div", "ex-widget", { lang: say("lang"), "data-lm-suppress-shortcuts": "true" });
  root.onkeydown = (event) => event.stopPropagation(); // and those of other front ends
  const controls = add(root, "div", "ex-controls");
  const label = add(controls, "label");
  label.textContent = say("layer");
  const slider = /** @type {HTMLInputElement} */ (add(label, "input", "", { type: "range", min: 0, max: layers }));
  const now = add(controls, "output", "ex-now-layer");
  const swap = add(controls, "button", "ex-swap", { type: "button" });
  swap.textContent = `⇄ ${say("swap")}`;
  const places = {
    columns: texts.map((_, i) =>
      add(root, "div", "", { role: "group", "aria-label": say(i ? "second_text" : "first_text") })),
    title: add(root, "p", "ex-title"), curve: add(root, "div", "ex-plane"),
    said: add(root, "p", "ex-unseen", { "aria-live": "polite" }),
  };
  add(root, "p", "ex-note").textContent = say("curve_note");

  const draw = (/** @type {Partial<typeof choice>} */ change = {}) => {
    choice = { ...choice, ...change };
    slider.value = String(choice.layer);
    now.textContent = say("layer_now", { layer: choice.layer });
    drawNearness(places, { texts, layers, cosine }, choice, say, draw);
  };
  slider.oninput = () => draw({ layer: Number(slider.value) });
  swap.onclick = () => draw({ from: choice.to, to: choice.from });
  draw();
}

export default { render };
