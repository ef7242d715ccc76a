import assert from "node:assert/strict";
import test from "node:test";

import { changedInputs, changedRows, cosines, locate, moves, nearestWords, plainInputs, unpack } from "../numbers.js";

const row = { ids: [101, 7, 8, 102], segments: [0, 0, 1, 1] };
const forbidden = ({ mask }) => [...mask].flatMap((value, i) => (value === -Infinity ? [`${Math.floor(i / 4)}>${i % 4}`] : []));

test("nothing is forbidden in a plain row", () => {
  assert.deepEqual(forbidden(plainInputs(row)), []);
});

test("one cut forbids one look", () => {
  assert.deepEqual(forbidden(changedInputs(row, "one", 2, 1)), ["2>1"]);
});

test("a piece that nobody may look at still sees itself", () => {
  assert.deepEqual(forbidden(changedInputs(row, "all", 2, 1)), ["0>1", "2>1", "3>1"]);
});

test("segment ids taken for the mask hide the first text, and all segment ids are 0", () => {
  const changed = changedInputs(row, "mask", 0, 0);
  assert.equal(forbidden(changed).length, 8);
  assert.ok(forbidden(changed).every((look) => /[01]$/.test(look)));
  assert.deepEqual([...changed.segments], [0, 0, 0, 0]);
});

test("pieces are counted over all rows", () => {
  assert.deepEqual(locate([row, row], 5), { row: 1, place: 1 });
});

test("a cut is made at the same places of a second text of the same length, and not of another", () => {
  const longer = { ids: [101, 7, 8, 9, 102], segments: [0, 0, 0, 0, 0] };
  assert.deepEqual(changedRows([row, row], "one", 6, 5)?.map(forbidden), [["2>1"], ["2>1"]]);
  assert.ok(changedRows([row, longer], "one", 2, 1)?.[1].mask.every((value) => value === 0));
});

test("no cut between two texts, of a piece from itself, and no mask without a second segment", () => {
  assert.equal(changedRows([row, row], "one", 1, 6), null);
  assert.equal(changedRows([row], "all", 1, 1), null);
  assert.equal(changedRows([{ ids: [1, 2], segments: [0, 0] }], "mask", 0, 1), null);
});

test("cosines are those of all pairs, also of two rows, layer by layer", () => {
  const first = Float32Array.from([1, 0, /* layer 1 */ 3, 4]);
  const second = Float32Array.from([0, 2, 1, 1, /* layer 1 */ 4, 3, -3, -4]);
  const found = cosines([first, second], [1, 2], 2);
  const expected = [1, 0, 0.7071, 0, 1, 0.7071, 0.7071, 0.7071, 1, 1, 0.96, -1, 0.96, 1, -0.96, -1, -0.96, 1];
  assert.deepEqual([...found].map((value) => value.toFixed(3)), expected.map((value) => value.toFixed(3)));
});

test("a move is a share of the length before", () => {
  assert.deepEqual(moves(Float32Array.from([3, 4]), Float32Array.from([3, 9]), 1, 2), [[1]]);
});

test("packed results come out as they went in", () => {
  const cosine = Buffer.from(Int16Array.from([32767, -16384]).buffer).toString("base64");
  const { cosines: found, attentions, moves: none } = unpack({ cosines: cosine, attentions: [Buffer.from([255, 0]).toString("base64")] });
  assert.deepEqual([...found].map((value) => value.toFixed(3)), ["1.000", "-0.500"]);
  assert.deepEqual([...attentions[0]], [1, 0]);
  assert.equal(none, null);
});

test("the nearest word is not the word itself", () => {
  const table = Int8Array.from([127, 0, 100, 100, 127, 10, -127, 0]);
  const near = nearestWords("a", ["a", "b", "c", "d"], table, 2);
  assert.deepEqual(near?.map(({ word }) => word), ["c", "b"]);
  assert.equal(nearestWords("z", ["a"], table.subarray(0, 2), 2), null);
});
