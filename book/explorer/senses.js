/** Step two: the senses of a word in two dimensions, layer by layer. */

import { curve, scatter, shape } from "./drawing.js";
import { byId, choose, say } from "./page.js";

let chosen = 0;

/**
 * @param {import("./state.js").State} state @param {any} data  a file that senses() in tools/explorer.py made
 */
export function drawSenses(state, data) {
  const own = data.words.find((/** @type {any} */ { word }) => word === state.word) ?? data.words[0];
  choose(byId("word"), data.words.map((/** @type {any} */ { word }) => ({ value: word, text: word })), own.word);
  byId("depth").value = state.depth;
  byId("depth-now").textContent = say("layer_now", { layer: state.depth });
  chosen = Math.min(chosen, own.sentences.length - 1);
  const flat = own.places[state.depth];
  const points = own.sentences.map((/** @type {string} */ sentence, /** @type {number} */ i) => ({
    x: flat[2 * i], y: flat[2 * i + 1], kind: own.sense[i], label: `${own.senses[own.sense[i]]}: ${sentence}`,
  }));
  const show = (/** @type {number} */ i) => {
    chosen = i;
    const nearest = own.nearest[state.depth][i];
    const describe = say("senses_describe", { word: own.word, layer: state.depth, sentences: points.length });
    scatter(byId("senses"), { points, size: 500, chosen, nearest, describe }, (next) => next !== chosen && show(next));
    sentence(byId("sense-chosen"), own, i, "");
    sentence(byId("sense-nearest"), own, nearest, own.sense[i] === own.sense[nearest] ? "same_sense" : "other_sense");
  };
  show(chosen);
  legend(own);
  byId("spread").textContent = say("spread", { share: Math.round(100 * own.spread[state.depth]) }) + (state.depth ? "" : ` ${say("layer_0")}`);
  byId("glove-point").textContent = say("glove_point", { sentences: points.length });
  accuracy(state, data, own);
}

/** @param {any} own */
function legend(own) {
  byId("senses-legend").replaceChildren(...own.senses.map((/** @type {string} */ sense, /** @type {number} */ kind) => {
    const item = document.createElement("li");
    item.append(shape(kind), ` ${sense}`);
    return item;
  }));
}

/** @param {HTMLElement} box @param {any} own @param {number} i @param {string} verdict */
function sentence(box, own, i, verdict) {
  const text = own.sentences[i];
  const found = new RegExp(`(?<![\\p{L}\\p{N}])${own.word}(?![\\p{L}\\p{N}])`, "iu").exec(text);
  const start = found ? found.index : 0;
  const word = document.createElement("strong");
  word.textContent = text.slice(start, start + own.word.length);
  const parts = [shape(own.sense[i]), ` ${own.senses[own.sense[i]]}: `, text.slice(0, start), word, text.slice(start + own.word.length)];
  if (verdict) parts.push(` (${say(verdict)})`);
  box.replaceChildren(...parts);
}

/** @param {import("./state.js").State} state @param {any} data @param {any} own */
function accuracy(state, data, own) {
  const constant = (/** @type {number} */ value) => own.own.map(() => value);
  const percent = (/** @type {number} */ share) => Math.round(100 * share);
  const here = { word: own.word, layer: state.depth, share: percent(own.own[state.depth]), glove: percent(own.glove[0]), guessing: percent(own.guessing[0]) };
  curve(byId("accuracy"), {
    main: own.own, low: 0, high: 1, layer: state.depth, axis: say("axis_layer"), unit: say("axis_same_sense"),
    dashed: [
      { values: constant(own.glove[0]), text: say("rival_glove") },
      { values: constant(own.guessing[0]), text: say("rival_guessing") },
    ],
    describe: say("accuracy_describe", { ...here, shares: own.own.map((/** @type {number} */ share) => `${percent(share)} %`).join(", ") }),
  });
  byId("accuracy-word").textContent = say("accuracy_word", here);
  const [mean, low, high] = data.own[state.depth].map(percent);
  byId("accuracy-all").textContent = say("accuracy_all", {
    words: data.words.length, layer: state.depth, mean, low, high, glove: percent(data.glove[0][0]),
    guessing: percent(data.guessing[0][0]), untrained: percent(data.untrained[state.depth][0]),
  });
}
