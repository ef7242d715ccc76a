/** Step one: the pieces of a text as it is typed. */

import { byId, say } from "./page.js";

/**
 * @param {{pieces: import("./tokenizer.js").Piece[], segments: number[]}[]} rows
 * @param {{maxLength: number}} about
 */
export function drawText(rows, about) {
  byId("rows").replaceChildren(...rows.map(drawRow));
  byId("row-summary").textContent = rows.map((row) => summary(row, about)).join(" ");
  const unknown = rows.flatMap(({ pieces }) => pieces).filter(({ why }) => why === "unspellable" || why === "long");
  byId("unknown").replaceChildren(...unknown.slice(0, 5).map(({ word, why }) => {
    const item = document.createElement("li");
    item.textContent = say(`unknown_${why}`, { word: Array.from(word).slice(0, 30).join("") });
    return item;
  }));
}

/** @param {{pieces: import("./tokenizer.js").Piece[], segments: number[]}} row */
function drawRow({ pieces, segments }) {
  const list = document.createElement("ol");
  list.className = "pieces";
  list.append(column("names", say("row_names").split(", ")));
  pieces.forEach((piece, position) => {
    const kind = piece.why && piece.why !== "special" ? "unknown" : piece.why;
    const item = column(kind, [position, piece.text, piece.id, segments[position]]);
    item.dataset.segment = String(segments[position]);
    list.append(item);
  });
  return list;
}

/** @param {string} kind @param {(string | number)[]} texts  position, piece, id, segment */
function column(kind, texts) {
  const item = document.createElement("li");
  item.className = kind;
  ["position", "piece", "id", "segment"].forEach((name, i) => {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = String(texts[i]);
    item.append(part);
  });
  return item;
}

/** @param {{pieces: import("./tokenizer.js").Piece[]}} row @param {{maxLength: number}} about */
function summary({ pieces }, { maxLength }) {
  const split = pieces.filter(({ text }) => text.startsWith("##")).length;
  const unknown = pieces.filter(({ why }) => why === "unspellable" || why === "long").length;
  const long = pieces.length > maxLength ? ` ${say("too_long", { most: maxLength })}` : "";
  return say("row_summary", { pieces: pieces.length, split, unknown }) + long;
}
