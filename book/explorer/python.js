/**
 * The same in Python, with the package of the book.
 * @param {import("./state.js").State} state @param {string} checkpoint
 */
export function pythonLines(state, checkpoint) {
  const text = JSON.stringify;
  const pair = state.pair && state.b;
  const rows = state.b && !pair ? [`[${text(state.a)}]`, `[${text(state.b)}]`] : [`[${text(state.a)}]${pair ? `, [${text(state.b)}]` : ""}`];
  return `import torch

import bertutil

bert = bertutil.load(${text(checkpoint)})
rows = [
${rows.map((row) => `    bertutil.encode(bert, ${row}),`).join("\n")}
]
pieces = [piece for row in rows for piece in row.tokens[0]]
states = torch.cat([bertutil.hidden_states(bert, row)[0] for row in rows])
one, other = ${state.from}, ${state.to}  # ${"pieces, counted from 0"}
print(pieces[one], pieces[other])
print(torch.cosine_similarity(states[one], states[other], dim=-1))  # layer by layer
`;
}
