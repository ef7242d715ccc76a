/**
 * The arithmetic of step three, without a page: what is asked of the model, and what is read from its answer.
 *
 * @typedef {{ids: number[], segments: number[]}} Row  a row for the model, as tokenizer.js makes it
 * @typedef {"none" | "one" | "all" | "ones" | "mask"} Change  what is changed for the experiment:
 *   "one": the chosen piece may not look at the other one; "all": no other piece may look at it; "ones": all segment
 *   ids are 1, as the 2019 article numbers a single sentence; "mask": the segment ids are handed over as the mask
 * @typedef {{ids: Int32Array, segments: Int32Array, mask: Float32Array}} Inputs  `mask` [tokens, tokens]
 * @typedef {{cosines: Float32Array, attentions: Float32Array[], moves: number[][] | null,
 *   between: number[][] | null, betweenChanged: number[][] | null}} Results
 *   `cosines` [states, pieces, pieces], the pieces of all rows in one count; `attentions`: for each row [layers,
 *   heads, pieces, pieces]; `moves` [states][pieces]: how far each vector moves by the change; `between`: from the
 *   first text to the second, where they have as many pieces; `betweenChanged`: the same with the change
 */

/** @param {Row} row @returns {Inputs} */
export function plainInputs(row) {
  const n = row.ids.length;
  return { ids: Int32Array.from(row.ids), segments: Int32Array.from(row.segments), mask: new Float32Array(n * n) };
}

/**
 * A row's inputs with the change made. `looks` and `at` are places in this row.
 * @param {Row} row @param {Change} change @param {number} looks @param {number} at @returns {Inputs}
 */
export function changedInputs(row, change, looks, at) {
  const inputs = plainInputs(row);
  const n = row.ids.length;
  if (change === "one") inputs.mask[looks * n + at] = -Infinity;
  if (change === "ones") inputs.segments.fill(1);
  if (change === "all") {
    for (let i = 0; i < n; i++) if (i !== at) inputs.mask[i * n + at] = -Infinity;
  }
  if (change === "mask") {
    inputs.mask.forEach((_, i) => { if (!row.segments[i % n]) inputs.mask[i] = -Infinity; });
    inputs.segments.fill(0); // what the model takes where no segment ids arrive
  }
  return inputs;
}

/**
 * In which row a piece stands, and where there; pieces are counted over all rows.
 * @param {Row[]} rows @param {number} piece @returns {{row: number, place: number}}
 */
export function locate(rows, piece) {
  let [row, place] = [0, piece];
  while (row < rows.length - 1 && place >= rows[row].ids.length) place -= rows[row++].ids.length;
  return { row, place };
}

/**
 * The changed inputs of each row, or null where the change cannot be made: a cut needs two pieces of one row, a mask
 * a pair. A cut is made at the same places of the other text where that has as many pieces.
 * @param {Row[]} rows @param {Change} change @param {number} from @param {number} to @returns {Inputs[] | null}
 */
export function changedRows(rows, change, from, to) {
  if (change === "none" || (change === "mask" && !rows[0].segments.includes(1))) return null;
  const [looks, at] = [locate(rows, from), locate(rows, to)];
  const isCut = change === "one" || change === "all";
  if (isCut && (looks.row !== at.row || looks.place === at.place)) return null;
  return rows.map((row, i) => {
    const made = !isCut || i === at.row || row.ids.length === rows[at.row].ids.length;
    return changedInputs(row, made ? change : "none", looks.place, at.place);
  });
}

/**
 * The cosine of each vector with each other one, layer by layer.
 * @param {Float32Array[]} states of each row [states, tokens, features] @param {number[]} lengths
 * @param {number} features @returns {Float32Array}
 */
export function cosines(states, lengths, features) {
  const layers = states[0].length / lengths[0] / features;
  const total = lengths.reduce((sum, n) => sum + n, 0);
  const found = new Float32Array(layers * total * total);
  for (let layer = 0; layer < layers; layer++) {
    const vectors = states.flatMap((all, row) =>
      Array.from({ length: lengths[row] }, (_, i) => unit(vector(all, (layer * lengths[row] + i) * features, features))));
    for (let i = 0; i < total; i++) {
      for (let j = 0; j <= i; j++) {
        const cosine = dot(vectors[i], vectors[j]);
        found[(layer * total + i) * total + j] = found[(layer * total + j) * total + i] = cosine;
      }
    }
  }
  return found;
}

/**
 * How far vectors moved, as a share of their own length.
 * @param {Float32Array} before [states, tokens, features] @param {Float32Array} after
 * @param {number} tokens @param {number} features @returns {number[][]} [states][tokens]
 */
export function moves(before, after, tokens, features) {
  return Array.from({ length: before.length / tokens / features }, (_, layer) =>
    Array.from({ length: tokens }, (_, i) => {
      const start = (layer * tokens + i) * features;
      const [old, now] = [vector(before, start, features), vector(after, start, features)];
      const difference = old.map((value, k) => now[k] - value);
      return Math.sqrt(dot(difference, difference) / dot(old, old));
    }));
}

/**
 * All that the page shows, from the states and the maps of each row; `changed`: the states with the change made.
 * @param {{states: Float32Array, attentions: Float32Array}[]} plain @param {Float32Array[] | null} changed
 * @param {number[]} lengths @param {number} features @returns {Results}
 */
export function results(plain, changed, lengths, features) {
  const states = plain.map((row) => row.states);
  const between = (/** @type {Float32Array[]} */ both) =>
    both.length === 2 && lengths[0] === lengths[1] ? moves(both[0], both[1], lengths[0], features) : null;
  const byRow = changed?.map((after, row) => moves(states[row], after, lengths[row], features));
  return {
    cosines: cosines(states, lengths, features),
    attentions: plain.map((row) => row.attentions),
    moves: byRow ? byRow[0].map((_, layer) => byRow.flatMap((row) => row[layer])) : null,
    between: between(states),
    betweenChanged: changed ? between(changed) : null,
  };
}

/**
 * Results that were computed when the page was made: see results() in tools/explorer.py.
 * @param {any} packed @returns {Results}
 */
export function unpack(packed) {
  return {
    cosines: Float32Array.from(new Int16Array(bytes(packed.cosines).buffer), (whole) => whole / 32767),
    attentions: packed.attentions.map((/** @type {string} */ map) => Float32Array.from(bytes(map), (x) => x / 255)),
    moves: packed.moves ?? null,
    between: packed.between ?? null,
    betweenChanged: packed.betweenChanged ?? null,
  };
}

/**
 * The words whose vectors have the highest cosine to that of a word, itself left out; null where it is not there.
 * @param {string} word @param {string[]} words @param {Int8Array} table [words, features] @param {number} count
 * @returns {{word: string, cosine: number}[] | null}
 */
export function nearestWords(word, words, table, count) {
  const features = table.length / words.length;
  const place = words.indexOf(word);
  if (place < 0) return null;
  const row = (/** @type {number} */ i) => unit(Float32Array.from(table.subarray(i * features, (i + 1) * features)));
  const own = row(place);
  return words
    .map((other, i) => ({ word: other, cosine: i === place ? -2 : dot(own, row(i)) }))
    .sort((one, other) => other.cosine - one.cosine)
    .slice(0, count);
}

/** @param {string} text */
function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** @param {Float32Array} all @param {number} start @param {number} length */
function vector(all, start, length) {
  return all.subarray(start, start + length);
}

/** @param {Float32Array} one @param {Float32Array} other */
function dot(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
}

/** @param {Float32Array} values */
function unit(values) {
  const length = Math.sqrt(dot(values, values));
  return values.map((value) => value / length);
}
