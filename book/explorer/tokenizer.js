/**
 * From a text to the pieces of the vocabulary, as BERT's own tokenizer does it: clean, split, look up.
 *
 * @typedef {{lowercase: boolean, accents: boolean, ideographs: boolean, longest: number,
 *   unknown: string, first: string, last: string}} Settings
 * `lowercase`: capitals are made small; `accents`: they are taken off; `ideographs`: each is a word of its own;
 * `longest`: the most characters of a word; `unknown`, `first`, `last`: [UNK], [CLS], [SEP].
 *
 * @typedef {{text: string, id: number, word: string, why: string}} Piece
 * `word`: the word it is a part of, cleaned. `why`: "" for a piece of a word, "special" for [CLS] and [SEP]; for
 * [UNK] "unspellable" or "long".
 */

const SPACE = /[\p{White_Space}\u001c-\u001f]/u; // the last four are white space in Python, so bertutil splits at them
const DELETED = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/u;
const MARK = /\p{Mn}/gu;
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/u;
const IDEOGRAPHS = [
  [0x4e00, 0x9fff], [0x3400, 0x4dbf], [0x20000, 0x2a6df], [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f], [0x2b920, 0x2ceaf], [0xf900, 0xfaff], [0x2f800, 0x2fa1f],
];

/** @param {string} character */
function isIdeograph(character) {
  const code = /** @type {number} */ (character.codePointAt(0));
  return IDEOGRAPHS.some(([first, last]) => first <= code && code <= last);
}

/**
 * The text without control characters, without accents and in small letters, where the settings say so.
 * @param {string} text @param {Settings} settings
 */
export function clean(text, settings) {
  let cleaned = "";
  for (const character of text) {
    if (SPACE.test(character)) cleaned += " ";
    else if (DELETED.test(character)) continue;
    else if (settings.ideographs && isIdeograph(character)) cleaned += ` ${character} `;
    else cleaned += character;
  }
  if (settings.accents) cleaned = cleaned.normalize("NFD").replace(MARK, "");
  // letter by letter: at the end of a Greek word JavaScript would make another small sigma
  return settings.lowercase ? Array.from(cleaned, (letter) => letter.toLowerCase()).join("") : cleaned;
}

/**
 * The words and the marks between them.
 * @param {string} cleaned @returns {string[]}
 */
export function words(cleaned) {
  const found = [];
  for (const run of cleaned.split(" ")) {
    let word = "";
    for (const character of run) {
      if (!PUNCTUATION.test(character)) word += character;
      else {
        if (word) found.push(word);
        found.push(character);
        word = "";
      }
    }
    if (word) found.push(word);
  }
  return found;
}

/**
 * The longest entry that a word begins with, then the longest that its rest begins with, and so on; null where some
 * rest begins with none.
 * @param {string} word @param {Map<string, number>} vocabulary @returns {string[] | null}
 */
export function spell(word, vocabulary) {
  const letters = Array.from(word);
  const pieces = [];
  for (let start = 0; start < letters.length; ) {
    let end = letters.length;
    const piece = () => (start ? "##" : "") + letters.slice(start, end).join("");
    while (end > start && !vocabulary.has(piece())) end--;
    if (end === start) return null;
    pieces.push(piece());
    start = end;
  }
  return pieces;
}

/**
 * All pieces of a text, without [CLS] and [SEP].
 * @param {string} text @param {Map<string, number>} vocabulary @param {Settings} settings @returns {Piece[]}
 */
export function tokenize(text, vocabulary, settings) {
  return words(clean(text, settings)).flatMap((word) => {
    const long = Array.from(word).length > settings.longest;
    const pieces = long ? null : spell(word, vocabulary);
    const why = pieces ? "" : long ? "long" : "unspellable";
    return (pieces ?? [settings.unknown]).map((piece) => asPiece(piece, word, why, vocabulary));
  });
}

/** @param {string} text @param {string} word @param {string} why @param {Map<string, number>} vocabulary */
function asPiece(text, word, why, vocabulary) {
  return { text, id: /** @type {number} */ (vocabulary.get(text)), word, why };
}

/**
 * A row for the model: [CLS] first text [SEP], and for a pair the second text and one more [SEP].
 * @param {string[]} texts @param {Map<string, number>} vocabulary @param {Settings} settings
 * @returns {{pieces: Piece[], segments: number[]}}
 */
export function encode(texts, vocabulary, settings) {
  const special = (/** @type {string} */ text) => asPiece(text, "", "special", vocabulary);
  const pieces = [special(settings.first)];
  const segments = [0];
  texts.forEach((text, segment) => {
    const part = [...tokenize(text, vocabulary, settings), special(settings.last)];
    pieces.push(...part);
    segments.push(...part.map(() => segment));
  });
  return { pieces, segments };
}

/**
 * The vocabulary from its file: one entry a line, the number of the line is the id.
 * @param {string} file @returns {Map<string, number>}
 */
export function readVocabulary(file) {
  return new Map(file.split("\n").map((entry, id) => [entry, id]));
}
