/** The page: the reader's choices, and the three steps drawn from them. */

import { drawText } from "./text.js";
import { drawSenses } from "./senses.js";
import { drawStates } from "./states.js";
import { Model } from "./model.js";
import { changedRows, nearestWords, plainInputs, unpack } from "./numbers.js";
import { byId, choose, megabytes, say } from "./page.js";
import { pythonLines } from "./python.js";
import { readAddress, toAddress, within } from "./state.js";
import { encode, readVocabulary } from "./tokenizer.js";

const PAUSE = 500; // milliseconds without a key before the model runs
const about = JSON.parse(byId("about").textContent);
const [first] = about.examples;
/** @type {import("./state.js").State} */
const usual = {
  a: first.a, b: first.b, pair: 0, from: first.from, to: first.to, layer: about.layers, head: -1, change: "none",
  set: "senses", word: "bank", depth: 0,
};
const model = new Model();
/** @type {Map<string, Promise<any>>} */
const files = new Map();
/** @type {Map<string, number> | undefined} */
let vocabulary;
let state = readAddress(location.hash, usual);
/** @type {{key: string, results: import("./numbers.js").Results} | null} */
let shown = null;
/** @type {number | undefined} */
let timer;

/** A file of the page, fetched once. @param {string} name @param {"json" | "text" | "arrayBuffer"} kind */
function file(name, kind) {
  if (!files.has(name)) {
    const wanted = fetch(new URL(name, import.meta.url)).then((answer) => {
      if (!answer.ok) throw new TypeError(`${name}: ${answer.status}`);
      return answer[kind]();
    });
    wanted.catch(() => files.delete(name)); // so that it can be tried again
    files.set(name, wanted);
  }
  return /** @type {Promise<any>} */ (files.get(name));
}

/** Take over what the reader has chosen, and draw. @param {Partial<import("./state.js").State>} change */
function update(change) {
  state = { ...state, ...change };
  draw();
}

function draw() {
  if (!vocabulary) return;
  const entries = vocabulary;
  const texts = state.b ? [state.a, state.b] : [state.a];
  const isPair = Boolean(state.pair) && texts.length > 1 && about.segments > 1;
  const rows = (isPair ? [texts] : texts.map((text) => [text])).map((row) => {
    const { pieces, segments } = encode(row, entries, about.settings);
    return { pieces, segments, ids: pieces.map(({ id }) => id) };
  });
  const pieces = rows.reduce((sum, row) => sum + row.ids.length, 0);
  state = within(state, { pieces, layers: about.layers, heads: about.heads });
  const hash = toAddress(state, usual);
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  for (const [id, value] of [["a", state.a], ["b", state.b]]) if (byId(id).value !== value) byId(id).value = value;
  byId("pair").checked = Boolean(state.pair);
  byId("pair").disabled = !state.b || about.segments < 2;
  byId("layer").value = state.layer;
  byId("layer-now").textContent = say("layer_now", { layer: state.layer });
  byId("change").value = state.change;
  byId("python").textContent = pythonLines(state, about.checkpoint, rows);
  for (const button of byId("examples").children) {
    const example = about.examples.find((/** @type {any} */ { name }) => name === button.dataset.name);
    button.setAttribute("aria-pressed", String(isExample(example)));
  }
  drawText(rows, about);
  file(`${state.set}.json`, "json").then((data) => drawSenses(state, data), () => { byId("sense-chosen").textContent = say("failed_network"); });
  byId("set").value = state.set;
  drawStep3(rows);
}

/** @param {any} example */
function isExample(example) {
  return example.a === state.a && example.b === state.b && (example.pair ?? 0) === (state.b ? state.pair : 0);
}

/**
 * Step three: from results that are there, an example's, or the model's own.
 * @param {{pieces: import("./tokenizer.js").Piece[], segments: number[], ids: number[]}[]} rows
 */
async function drawStep3(rows) {
  clearTimeout(timer);
  const changed = changedRows(rows, state.change, state.from, state.to);
  const key = JSON.stringify([rows.map(({ ids, segments }) => [ids, segments]), changed && [state.change, state.from, state.to]]);
  byId("change-why").textContent = state.change !== "none" && !changed ? say(`cannot_${state.change}`) : "";
  if (shown?.key === key) return show(rows, shown.results);
  const example = about.examples.find(isExample);
  const isWhole = example && (!changed || (example.change === state.change && example.from === state.from && example.to === state.to));
  if (model.ready) {
    // what does not hang on the change is there already
    if (shown && sameText(shown.key, key)) show(rows, { ...shown.results, moves: null, betweenChanged: null }, false);
    timer = setTimeout(() => run(rows, changed, key), shown && sameText(shown.key, key) ? 0 : PAUSE);
    return;
  }
  byId("needs-model").hidden = Boolean(example);
  byId("states").hidden = !example;
  byId("change-needs").hidden = !example || Boolean(isWhole);
  if (!example) return;
  const packed = await file(`example-${example.name}.json`, "json").catch(() => null);
  if (!packed || !isExample(example) || model.ready) return;
  const results = unpack(packed);
  show(rows, isWhole && changed ? results : { ...results, moves: null, betweenChanged: null });
}

/** @param {string} one @param {string} other */
function sameText(one, other) {
  return JSON.stringify(JSON.parse(one)[0]) === JSON.stringify(JSON.parse(other)[0]);
}

/** @param {any[]} rows @param {import("./numbers.js").Inputs[] | null} changed @param {string} key */
async function run(rows, changed, key) {
  if (rows.some(({ ids }) => ids.length > about.maxLength)) {
    status(say("too_long", { most: about.maxLength }));
    return;
  }
  status(say("running"));
  byId("states").setAttribute("aria-busy", "true");
  try {
    const { results, milliseconds } = await model.run({ features: about.features, plain: rows.map(plainInputs), changed });
    shown = { key, results };
    status(say("ran", { seconds: (milliseconds / 1000).toFixed(2) }));
    draw();
  } catch (error) {
    fail(error);
  }
  byId("states").removeAttribute("aria-busy");
}

/** @param {any[]} rows @param {import("./numbers.js").Results} results @param {boolean} [whole]  nothing is awaited */
function show(rows, results, whole = true) {
  byId("needs-model").hidden = true;
  byId("states").hidden = false;
  if (model.ready) byId("change-needs").hidden = true;
  drawStates({ state, about, rows, update }, results);
  byId("states").dataset.by = whole ? (model.ready ? "model" : "example") : ""; // whose numbers they are
  drawNearest(rows);
}

/** @param {string} text */
function status(text) {
  byId("status").textContent = text;
}

/** @param {any} error */
function fail(error) {
  if (error.why === "ended") return;
  const known = ["network", "memory", "old"].includes(error.why) ? error.why : "other";
  status(say(`failed_${known}`, { detail: error.detail ?? String(error) }));
  byId("load").hidden = false;
  byId("progress").hidden = true;
}

async function load() {
  byId("load").hidden = true;
  byId("progress").hidden = false;
  byId("progress").max = about.modelBytes;
  status(say("loading"));
  try {
    await model.load(about.model, (loaded) => { byId("progress").value = loaded; });
  } catch (error) {
    fail(error);
    return;
  }
  byId("progress").hidden = true;
  status(say("ready"));
  byId("change-needs").hidden = true;
  draw();
}

let gloveAsked = false;

/** The words nearest to the two chosen ones in a static table. @param {{pieces: import("./tokenizer.js").Piece[]}[]} rows */
async function drawNearest(rows) {
  if (!gloveAsked) return;
  const all = await Promise.all([file("glove.txt", "text"), file("glove.bin", "arrayBuffer")]).catch(() => null);
  if (!all) {
    byId("glove-words").textContent = say("failed_network");
    return;
  }
  const [words, table] = [all[0].split("\n"), new Int8Array(all[1])];
  const pieces = rows.flatMap((row) => row.pieces);
  const chosen = [...new Set([state.from, state.to].map((place) => pieces[place]?.word).filter(Boolean))];
  byId("glove-words").replaceChildren(...chosen.map((word) => {
    const found = nearestWords(word.toLowerCase(), words, table, 8);
    const line = document.createElement("p");
    const near = found?.map((near) => `${near.word} ${near.cosine.toFixed(2)}`).join(" · ") ?? "";
    line.textContent = say(found ? "glove_nearest" : "glove_missing", { word, near, count: words.length.toLocaleString(document.documentElement.lang) });
    return line;
  }));
}

/** @param {HTMLElement} button @param {string} text @param {string} done */
async function copy(button, text, done) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = done;
  } catch {
    button.textContent = say("copy_failed");
  }
  setTimeout(() => { button.textContent = before; }, 2000);
}

function listen() {
  for (const id of ["a", "b"]) byId(id).oninput = () => update({ [id]: byId(id).value });
  byId("pair").onchange = () => update({ pair: Number(byId("pair").checked) });
  for (const id of ["word", "set", "change"]) byId(id).onchange = () => update({ [id]: byId(id).value });
  for (const id of ["depth", "layer"]) byId(id).oninput = () => update({ [id]: Number(byId(id).value) });
  byId("head").onchange = () => update({ head: Number(byId("head").value) });
  byId("swap").onclick = () => update({ from: state.to, to: state.from });
  byId("load").onclick = load;
  byId("play").onclick = play;
  byId("glove-load").onclick = () => { gloveAsked = true; byId("glove-load").hidden = true; draw(); };
  byId("copy-link").onclick = () => copy(byId("copy-link"), location.href, say("copied"));
  byId("copy-python").onclick = () => copy(byId("copy-python"), byId("python").textContent, say("copied"));
  for (const button of byId("examples").children) {
    button.onclick = () => {
      const { name, ...example } = about.examples.find((/** @type {any} */ one) => one.name === button.dataset.name);
      update({ pair: 0, change: "none", head: -1, layer: about.layers, ...example });
    };
  }
  for (const button of byId("languages").children) button.onclick = () => update({ a: button.dataset.text, b: "" });
  byId("theme").onclick = () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("theme", theme); // the book's own keys: both are light, or both are dark
      localStorage.setItem("mode", theme);
    } catch { /* no storage: for this page only */ }
  };
  window.addEventListener("hashchange", () => { state = readAddress(location.hash, usual); draw(); });
  window.addEventListener("pagehide", () => {
    if (!model.ready) return;
    model.end(); // its memory is given back, also where the page waits to be come back to
    byId("load").hidden = false;
    status("");
  });
}

/** Step through the layers of the senses, one a second. */
function play() {
  const last = state.depth >= about.layers;
  let depth = last ? 0 : state.depth + 1;
  const step = () => {
    update({ depth });
    if (depth++ < about.layers) setTimeout(step, 1100);
  };
  step();
}

for (const id of ["depth", "layer"]) byId(id).max = about.layers;
byId("load").textContent = say("load", { megabytes: megabytes(about.modelBytes), runtime: megabytes(about.runtimeBytes) });
choose(byId("set"), ["senses", "senses_sealed", "senses_new_words"].map((value) => ({ value, text: say(value) })), state.set);
choose(byId("change"), ["none", "one", "all", "ones", "mask"].map((value) => ({ value, text: say(`change_${value}`) })), state.change);
listen();
file("vocabulary.txt", "text").then((entries) => {
  vocabulary = readVocabulary(entries);
  draw();
  document.documentElement.dataset.ready = "1";
}, () => { byId("row-summary").textContent = say("failed_network"); });
