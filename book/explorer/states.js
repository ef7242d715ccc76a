/** Step three: the vectors of every piece at every layer, where they look, and what a change does to them. */

import { columns, curve, squares } from "./drawing.js";
import { drawNearness, named as nameOf } from "./nearness.js";
import { locate } from "./numbers.js";
import { byId, choose, say } from "./page.js";

/**
 * @typedef {{state: import("./state.js").State, about: any, update: (change: object) => void,
 *   rows: {pieces: import("./tokenizer.js").Piece[], ids: number[], segments: number[]}[]}} Shown
 */

/**
 * @param {Shown} shown @param {import("./numbers.js").Results} results
 */
export function drawStates(shown, results) {
  const { state, rows } = shown;
  const pieces = rows.flatMap((row) => row.pieces);
  const n = pieces.length;
  const cosine = (/** @type {number} */ layer, /** @type {number} */ one, /** @type {number} */ other) =>
    results.cosines[(layer * n + one) * n + other];
  const places = {
    columns: [byId("columns-0"), byId("columns-1")], curve: byId("curve"), title: byId("curve-title"), said: byId("said"),
  };
  const texts = rows.map((row) => row.pieces.map(({ text }) => text));
  drawNearness(places, { texts, layers: shown.about.layers, cosine }, state, say, shown.update);
  drawAttention(shown, results, pieces);
  drawChange(shown, results, pieces);
}

/** @param {Shown} shown @param {import("./numbers.js").Results} results @param {Shown["rows"][0]["pieces"]} pieces */
function drawAttention({ state, rows, about, update }, results, pieces) {
  const from = locate(rows, state.from);
  const to = locate(rows, state.to);
  const n = rows[from.row].ids.length;
  const maps = results.attentions[from.row];
  const weight = (/** @type {number} */ layer, /** @type {number} */ head, /** @type {number} */ at) =>
    maps[((layer * about.heads + head) * n + from.place) * n + at];
  const heads = Array.from({ length: about.heads }, (_, head) => head);
  const layer = Math.max(state.layer - 1, 0);
  const shown = (/** @type {number} */ at) => (state.head < 0
    ? heads.reduce((sum, head) => sum + weight(layer, head, at), 0) / about.heads : weight(layer, state.head, at));
  const percent = (/** @type {number} */ share) => (100 * share).toFixed(share < 0.1 ? 1 : 0);
  const options = [{ value: "-1", text: say("head_mean") }, ...heads.map((head) => ({ value: String(head), text: say("head", { head }) }))];
  choose(byId("head"), options, String(state.head));
  const before = rows.slice(0, from.row).reduce((sum, row) => sum + row.ids.length, 0);
  byId("attention-title").textContent = say("attention_title", { piece: named(pieces, state.from), layer });
  columns(byId("attention"), rows[from.row].pieces.map((piece, i) => {
    const mark = before + i === state.from ? say("mark_from") : before + i === state.to ? say("mark_to") : "";
    const label = say("attention_label", { piece: named(pieces, before + i), value: percent(shown(i)) });
    return { text: piece.text, share: shown(i), number: percent(shown(i)), label, mark };
  }), (i) => before + i !== state.from && update({ to: before + i }));
  const same = from.row === to.row;
  byId("heads-box").hidden = !same;
  byId("heads-title").textContent = say(same ? "heads_title" : "heads_apart", { one: named(pieces, state.from), other: named(pieces, state.to) });
  if (!same) return;
  squares(byId("heads"), {
    rows: Array.from({ length: about.layers }, (_, i) => say("attention_n", { layer: i })), columns: heads.map(String),
    values: Array.from({ length: about.layers }, (_, i) => heads.map((head) => weight(i, head, to.place))), largest: 1,
    label: (row, head) => say("head_label", { layer: row, head, value: percent(weight(row, head, to.place)) }),
    chosen: (row, head) => row === layer && head === state.head,
  }, (row, head) => update({ layer: row + 1, head }));
}

/** @param {Shown} shown @param {import("./numbers.js").Results} results @param {Shown["rows"][0]["pieces"]} pieces */
function drawChange({ state, rows, about }, results, pieces) {
  const [one, other] = [named(pieces, state.from), named(pieces, state.to)];
  const { moves, between, betweenChanged } = results;
  byId("moves-box").hidden = !moves;
  byId("between-box").hidden = !between;
  byId("change-said").textContent = moves ? changeSaid(moves, state, one, other) : "";
  if (moves) {
    const order = Array.from({ length: about.layers + 1 }, (_, i) => about.layers - i); // layer 0 below, as in chapter 10
    const value = (/** @type {number} */ row, /** @type {number} */ piece) => moves[order[row]][piece];
    byId("moves").classList.add("ex-upright");
    squares(byId("moves"), {
      rows: order.map((layer) => say("layer_now", { layer })), columns: pieces.map(({ text }) => text),
      values: order.map((layer) => moves[layer]), largest: Math.max(0.2, ...moves.flat()),
      label: (row, piece) => say("move_label", { piece: named(pieces, piece), layer: order[row], value: value(row, piece).toFixed(3) }),
    }, (row, piece) => { byId("move-said").textContent = say("move_label", { piece: named(pieces, piece), layer: order[row], value: value(row, piece).toFixed(3) }); });
  }
  if (between) {
    const { place } = locate(rows, state.from);
    const plain = between.map((layer) => layer[place]);
    const now = betweenChanged ? betweenChanged.map((layer) => layer[place]) : plain;
    const [piece, other] = rows.map((row) => say("piece_quoted", { piece: row.pieces[place].text }));
    const last = about.layers;
    const values = { piece, other, last, plain: plain[last].toFixed(3), now: now[last].toFixed(3) };
    byId("between-title").textContent = say(betweenChanged ? "between_changed" : "between_plain", values);
    curve(byId("between"), {
      main: now, dashed: betweenChanged ? [{ values: plain, text: say("nothing_changed") }] : [], low: 0,
      high: 0.4 * Math.ceil(Math.max(0.1, ...plain, ...now) / 0.4), layer: state.layer, axis: say("axis_layer"), unit: say("axis_move"),
      describe: say("between_describe", { ...values, values: now.map((value) => value.toFixed(3)).join(", ") }),
    });
  }
}

/** @param {number[][]} moves @param {import("./state.js").State} state @param {string} one @param {string} other */
function changeSaid(moves, state, one, other) {
  const moved = moves.flat().filter((move) => move > 0).length;
  const value = moves[state.layer][state.from].toFixed(3);
  return say("change_said", { change: say(`did_${state.change}`, { one, other }), moved, all: moves.flat().length, one, value, layer: state.layer });
}

/** @param {Shown["rows"][0]["pieces"]} pieces @param {number} place */
function named(pieces, place) {
  return nameOf(say, pieces.map(({ text }) => text), place);
}
