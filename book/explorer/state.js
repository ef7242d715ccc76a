/**
 * What the reader has chosen, and the address that holds it, so that a finding can be sent as a link.
 *
 * @typedef {{a: string, b: string, pair: number, from: number, to: number, layer: number, head: number,
 *   change: import("./numbers.js").Change, set: string, word: string, depth: number}} State
 * `from`, `to`: the chosen pieces, counted over all texts; `head`: -1 is the mean of all; `depth`: the layer of the
 * senses, `layer` that of the model.
 */

/**
 * The state that an address holds. What is missing there, or makes no sense, is as in `usual`.
 * @param {string} hash @param {State} usual @returns {State}
 */
export function readAddress(hash, usual) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const state = /** @type {Record<string, string | number>} */ ({ ...usual });
  for (const [name, value] of Object.entries(usual)) {
    const text = given.get(name);
    if (text === null) continue;
    if (typeof value === "string") state[name] = text;
    else if (/^-?\d{1,4}$/.test(text)) state[name] = Number(text);
  }
  return /** @type {State} */ (/** @type {unknown} */ (state));
}

/**
 * The part of the address behind "#": what differs from the usual.
 * @param {State} state @param {State} usual
 */
export function toAddress(state, usual) {
  const entries = Object.entries(state).filter(([name, value]) => value !== usual[/** @type {keyof State} */ (name)]);
  return new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString();
}

/**
 * The state with every number within its bounds.
 * @param {State} state @param {{pieces: number, layers: number, heads: number}} bounds @returns {State}
 */
export function within(state, { pieces, layers, heads }) {
  const clip = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
    Math.min(Math.max(value, low), high);
  const changes = ["none", "one", "all", "ones", "mask"];
  return {
    ...state,
    from: clip(state.from, 0, pieces - 1),
    to: clip(state.to, 0, pieces - 1),
    layer: clip(state.layer, 0, layers),
    depth: clip(state.depth, 0, layers),
    head: clip(state.head, -1, heads - 1),
    change: changes.includes(state.change) ? state.change : "none",
  };
}
