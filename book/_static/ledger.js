// The ledger's filters, and betting on a verdict before it is shown. Without this file the page is the whole table.
"use strict";
{
  const form = document.querySelector(".ledger-controls");
  const rows = [...document.querySelectorAll("table.ledger tbody tr")];
  const FILTERS = ["verdict", "chapter", "source"];
  const verdicts = [...new Set(rows.filter((row) => "bet" in row.dataset).map((row) => row.dataset.verdict))];
  const choices = [...form.elements.verdict.options].filter((option) => verdicts.includes(option.value));
  const bets = new Map(); // from a claim's id to the verdict that the reader bet on

  const matches = (row) =>
    FILTERS.every((name) => !form.elements[name].value || row.dataset[name].split("; ").includes(form.elements[name].value));

  /** Show what the controls say, and keep it in the address. */
  function update() {
    const first = form.elements.bet.checked;
    form.elements.verdict.disabled = first; // it would tell what is to be bet on
    if (first) form.elements.verdict.value = "";
    for (const row of rows) {
      row.hidden = !matches(row);
      row.classList.toggle("ledger-pending", first && "bet" in row.dataset && !bets.has(row.id));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    form.querySelector(".ledger-count").textContent = `${shown} of ${rows.length} claims`;
    form.querySelector(".ledger-score").textContent = score();
    const kept = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
    history.replaceState(null, "", `${location.pathname}${kept && "?"}${kept}${location.hash}`);
  }

  /** How many bets were right, beside the simplest rival: one who says the same each time. */
  function score() {
    if (bets.size === 0) return "";
    const right = rows.filter((row) => bets.get(row.id) === row.dataset.verdict).length;
    const holds = rows.filter((row) => bets.has(row.id) && row.dataset.verdict === "holds").length;
    return `You: ${right} of ${bets.size} right. Who says “holds” each time: ${holds} of ${bets.size}.`;
  }

  /** Take a bet, show the verdict, and say both where the reader is. */
  function bet(row, verdict) {
    bets.set(row.id, verdict);
    const result = row.querySelector(".ledger-result");
    const right = verdict === row.dataset.verdict;
    result.textContent = `You bet: ${verdict}. ${right ? "Right." : `Measured: ${row.dataset.verdict}.`}`;
    update();
    result.focus();
  }

  /** The buttons to bet on a claim, and the place for what came of it. */
  function addBets(row) {
    const group = document.createElement("div");
    group.className = "ledger-bets";
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `Your bet on ${row.id}`);
    for (const choice of choices) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = choice.textContent;
      button.addEventListener("click", () => bet(row, choice.value));
      group.append(button);
    }
    const result = document.createElement("p");
    result.className = "ledger-result";
    result.tabIndex = -1;
    row.querySelector(".ledger-claim").append(group, result);
  }

  /** A link to a claim shows it, whatever is filtered. */
  function showTarget() {
    const target = rows.find((row) => `#${row.id}` === location.hash);
    if (!target) return;
    if (target.hidden) {
      for (const name of FILTERS) form.elements[name].value = "";
      update();
    }
    target.scrollIntoView();
  }

  const asked = new URLSearchParams(location.search);
  for (const name of FILTERS) {
    form.elements[name].value = asked.get(name) ?? "";
    if (form.elements[name].selectedIndex < 0) form.elements[name].value = ""; // an address with a value of its own
  }
  form.elements.bet.checked = asked.has("bet");
  rows.filter((row) => "bet" in row.dataset).forEach(addBets);
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault(); // its own reset would come after this, and to what the address said
    for (const name of FILTERS) form.elements[name].value = "";
    form.elements.bet.checked = false;
    bets.clear();
    for (const result of document.querySelectorAll(".ledger-result")) result.textContent = "";
    update();
  });
  form.hidden = false;
  update();
  showTarget();
  addEventListener("hashchange", showTarget);
}
