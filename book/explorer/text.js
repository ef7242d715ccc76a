/** Step one: the pieces of a text as it is typed. */

import { rove } from "./drawing.js";
import { byId, say } from "./page.js";

/**
 * @param {{pieces: import("./tokenizer.js").Piece[], segments: number[]}[]} rows
 * @param {{maxLength: number}} about
 */
export function drawText(rows, about) {
  byId("rows").replaceChildren(...rows.map(drawRow));
  for (const row of byId("rows").querySelectorAll("ol")) rove(row, 1);
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
  pieces.forEach((piece, position) => {
    const item = document.createElement("li");
    item.className = piece.why ? (piece.why === "special" ? "special" : "unknown") : "";
    item.dataset.segment = String(segments[position]);
    for (const [kind, text] of [["position", position], ["piece", piece.text], ["id", piece.id], ["segment", segments[position]]]) {
      const part = document.createElement("span");
      part.className = String(kind);
      part.textContent = String(text);
      item.append(part);
    }
    list.append(item);
  });
  return list;
}

/** @param {{pieces: import("./tokenizer.js").Piece[]}} row @param {{maxLength: number}} about */
function summary({ pieces }, { maxLength }) {
  const split = pieces.filter(({ text }) => text.startsWith("##")).length;
  const unknown = pieces.filter(({ why }) => why === "unspellable" || why === "long").length;
  const long = pieces.length > maxLength ? ` ${say("too_long", { most: maxLength })}` : "";
  return say("row_summary", { pieces: pieces.length, split, unknown }) + long;
}
