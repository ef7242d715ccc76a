/** The lines in Python that give what the page shows, with the package of the book. */

import { locate } from "./numbers.js";

/**
 * @param {import("./state.js").State} state @param {string} checkpoint @param {import("./numbers.js").Row[]} rows
 */
export function pythonLines(state, checkpoint, rows) {
  const text = JSON.stringify; // what it writes is a string in Python too
  const texts = [state.a, state.b].filter(Boolean).map((one) => `[${text(one)}]`);
  const calls = rows.length > 1 ? texts : [texts.join(", ")];
  return `import torch

import bertutil

bert = bertutil.load(${text(checkpoint)})
rows = [
${calls.map((given) => `    bertutil.encode(bert, ${given}),`).join("\n")}
]
states = torch.cat([bertutil.hidden_states(bert, row)[0] for row in rows])
pieces = [piece for row in rows for piece in row.tokens[0]]
one, other = ${state.from}, ${state.to}  # pieces, counted over all rows
print(pieces[one], pieces[other])
print(torch.cosine_similarity(states[one], states[other], dim=-1))
${cutLines(state, rows)}`;
}

/** @param {import("./state.js").State} state @param {import("./numbers.js").Row[]} rows */
function cutLines(state, rows) {
  const [looks, at] = [locate(rows, state.from), locate(rows, state.to)];
  if ((state.change !== "one" && state.change !== "all") || looks.row !== at.row) return "";
  const n = rows[at.row].ids.length;
  const lines = state.change === "one"
    ? [`mask[0, 0, ${looks.place}, ${at.place}] = -torch.inf  # it may not look there`]
    : [`mask[0, 0, :, ${at.place}] = -torch.inf  # nobody may look there`, `mask[0, 0, ${at.place}, ${at.place}] = 0  # but itself`];
  return `
row = rows[${at.row}]
mask = torch.zeros(1, 1, ${n}, ${n})
${lines.join("\n")}
with torch.no_grad():
    output = bert.model(
        input_ids=row.input_ids,
        token_type_ids=row.token_type_ids,
        attention_mask=mask,
        output_hidden_states=True,
    )
cut = torch.stack(output.hidden_states)[:, 0, ${looks.place}]
before = bertutil.hidden_states(bert, row)[0, ${looks.place}]
print((cut - before).norm(dim=-1) / before.norm(dim=-1))  # how far it moved
`;
}
