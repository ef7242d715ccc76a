// For tests/test_explorer.py: {vocabulary, settings, texts} as JSON from stdin, the pieces of each text as JSON to stdout.
import { readFileSync } from "node:fs";

import { readVocabulary, tokenize } from "../tokenizer.js";

const { vocabulary, settings, texts } = JSON.parse(readFileSync(0, "utf8"));
const entries = readVocabulary(vocabulary);
process.stdout.write(JSON.stringify(texts.map((text) => tokenize(text, entries, settings).map((piece) => piece.text))));
