/** The cosine of one piece with all others, layer by layer: the part that the book's page and a notebook share. */

import { columns, curve } from "./drawing.js";

/**
 * @typedef {(key: string, values?: Record<string, string | number>) => string} Say
 * @typedef {{from: number, to: number, layer: number}} Choice  two pieces, counted over all texts, and a layer
 * @typedef {{columns: HTMLElement[], curve: HTMLElement, title: HTMLElement, said: HTMLElement}} Places
 *   an element for each part; `said` is for a screen reader
 */

/**
 * A function that says a text of words.js, with what is in {braces} filled in.
 * @param {Record<string, string>} words @returns {Say}
 */
export function speaker(words) {
  return (key, values = {}) => words[key].replace(/{(\w+)}/g, (_, name) => String(values[name]));
}

/**
 * A piece in quotation marks, with its place where the same one stands elsewhere too.
 * @param {Say} say @param {string[]} pieces @param {number} place
 */
export function named(say, pieces, place) {
  const piece = pieces[place];
  return say(pieces.indexOf(piece) === pieces.lastIndexOf(piece) ? "piece_quoted" : "piece_at", { piece, place });
}

/**
 * Columns for the pieces of each text, and a curve over the layers for the two that were chosen.
 * @param {Places} places
 * @param {{texts: string[][], layers: number, cosine: (layer: number, one: number, other: number) => number}} data
 * @param {Choice} choice @param {Say} say @param {(change: Partial<Choice>) => void} update
 */
export function drawNearness(places, { texts, layers, cosine }, { from, to, layer }, say, update) {
  const pieces = texts.flat();
  const [one, other] = [named(say, pieces, from), named(say, pieces, to)];
  let start = 0;
  places.columns.forEach((box, text) => {
    const first = start;
    const own = texts[text] ?? [];
    columns(box, own.map((piece, i) => {
      const value = cosine(layer, from, first + i);
      const mark = first + i === from ? say("mark_from") : first + i === to ? say("mark_to") : "";
      const label = say("cosine_label", { piece: named(say, pieces, first + i), value: value.toFixed(3), other: one });
      return { text: piece, share: value, number: value.toFixed(2), label, mark };
    }), (i) => update(first + i === from ? {} : { from: first + i, to: from }));
    box.hidden = own.length === 0;
    start += own.length;
  });

  const over = (/** @type {number} */ piece) => Array.from({ length: layers + 1 }, (_, i) => cosine(i, from, piece));
  const main = over(to);
  const others = pieces.map((_, i) => i).filter((i) => i !== from && i !== to).slice(0, 60).map(over);
  const pair = { one, other, layer, value: main[layer].toFixed(3) };
  const low = -Math.ceil(-4 * Math.min(0, ...others.flat(), ...main)) / 4;
  curve(places.curve, {
    main, others, low, high: 1, steps: Math.round(4 - 4 * low), layer, axis: say("axis_layer"), unit: say("axis_cosine"),
    describe: say("curve_describe", { ...pair, values: main.map((value) => value.toFixed(3)).join(", ") }),
  });
  places.title.textContent = say("curve_title", pair);
  places.said.textContent = say("curve_said", pair);
}
