/** Small helpers for the page: its words, and its elements. */

import { speaker } from "./nearness.js";
import words from "./words.js";

/** A text of words.js, with what is in {braces} filled in. */
export const say = speaker(words);

/** @param {string} id @returns {any} */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Fill a select with options, and leave it alone where it has them already.
 * @param {HTMLSelectElement} select @param {{value: string, text: string}[]} options @param {string} chosen
 */
export function choose(select, options, chosen) {
  const now = [...select.options].map((option) => option.value + option.text).join();
  if (now !== options.map(({ value, text }) => value + text).join()) {
    select.replaceChildren(...options.map(({ value, text }) => new Option(text, value)));
  }
  select.value = chosen;
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e6 ? 1 : 0);
}
