import assert from "node:assert/strict";
import test from "node:test";

import { pythonLines } from "../python.js";
import { readAddress, toAddress, within } from "../state.js";
import { spell, words } from "../tokenizer.js";

const usual = {
  a: "A text.", b: "", pair: 0, from: 1, to: 2, layer: 6, head: -1, change: "none", set: "senses", word: "bank", depth: 0,
};

test("the address of the usual state is empty", () => {
  assert.equal(toAddress(usual, usual), "");
});

test("a state is found again in its address, whatever was typed", () => {
  const state = { ...usual, a: "50 % & more #1 + “ü” 🙂\n", b: "=", from: 3, head: 4, change: "all" };
  assert.deepEqual(readAddress(`#${toAddress(state, usual)}`, usual), state);
});

test("what makes no sense in an address is left out", () => {
  assert.deepEqual(readAddress("#from=x&layer=1e9&unknown=1&toString=2", usual), usual);
});

test("numbers are brought within their bounds, and unknown changes dropped", () => {
  const wild = { ...usual, from: 99, to: -1, layer: 9, head: 99, depth: -3, change: "boil" };
  const kept = within(wild, { pieces: 5, layers: 6, heads: 12 });
  assert.deepEqual([kept.from, kept.to, kept.layer, kept.head, kept.depth, kept.change], [4, 0, 6, 11, 0, "none"]);
  assert.deepEqual(within(usual, { pieces: 5, layers: 6, heads: 12 }), usual);
});

test("the lines in Python hold the texts as they are", () => {
  const row = { ids: [101, 7, 102], segments: [0, 0, 0] };
  assert.match(pythonLines({ ...usual, a: 'He said "no".' }, "minilm", [row]), /encode\(bert, \["He said \\"no\\"\."\]\)/);
});

test("the longest piece is taken first, and a rest that is in no entry loses the word", () => {
  const vocabulary = new Map(["em", "##bed", "##beds", "e"].map((entry, id) => [entry, id]));
  assert.deepEqual(spell("embeds", vocabulary), ["em", "##beds"]);
  assert.equal(spell("embedx", vocabulary), null);
});

test("marks stand alone", () => {
  assert.deepEqual(words("don't stop."), ["don", "'", "t", "stop", "."]);
});
