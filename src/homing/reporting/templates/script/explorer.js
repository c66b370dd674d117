// The explorer: twenty questions a page, opened one by one.
const PAGE_SIZE = 20;

function number(n) {
  return n.toLocaleString("en");
}

function startExplorer(data) {
  const by = (id) => document.getElementById(id);
  const root = by("explorer");
  const state = { choice: null, found: null, page: 0 };
  by("from-contender").value = data.pair[0];
  by("to-contender").value = data.pair[1];

  function readChoice() {
    return {
      from: Number(by("from-contender").value),
      to: Number(by("to-contender").value),
      among: by("slice").value,
      words: by("search").value.toLowerCase().split(/\s+/).filter(Boolean),
      outcome: root.querySelector("input[name=outcome]:checked").value,
    };
  }

  function update() {
    state.choice = readChoice();
    state.found = choose(data, state.choice);
    state.page = 0;
    showCounts(root, state.found.counts);
    by("found").replaceChildren(...foundText(data, state));
    showPage();
  }

  function showPage() {
    const { chosen } = state.found;
    const n = Math.max(1, Math.ceil(chosen.length / PAGE_SIZE));
    const start = state.page * PAGE_SIZE;
    const rows = chosen.slice(start, start + PAGE_SIZE).map((item) => questionRow(data, item, state.choice));
    if (!rows.length) rows.push(element("p", "nothing", "No question is like that."));
    by("explored").replaceChildren(...rows);
    by("page-number").textContent = `Page ${number(state.page + 1)} of ${number(n)}`;
    by("previous").disabled = state.page === 0;
    by("next").disabled = state.page >= n - 1;
    by("open-all").disabled = !chosen.length;
  }

  function turn(by_) {
    state.page += by_;
    showPage();
    root.querySelector(".found").scrollIntoView({ block: "start" });
  }

  let waiting = 0;
  by("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(update, 150);
  });
  for (const id of ["from-contender", "to-contender", "slice", "outcome"]) by(id).addEventListener("change", update);
  by("previous").addEventListener("click", () => turn(-1));
  by("next").addEventListener("click", () => turn(1));
  by("open-all").addEventListener("click", () => {
    const all = Array.from(by("explored").querySelectorAll("details"));
    const open = all.some((details) => !details.open);
    for (const details of all) details.open = open;
  });
  root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  update();
  root.hidden = false;
  by("most-changed").remove();
}

function questionRow(data, item, choice) {
  const { row, outcome } = item;
  const question = element("span", "question");
  const right = rightOf(data, row).map((number) => data.texts[number]);
  const told = telling(data.questions[row], data.commonWords);
  const there = stemsIn(right);
  appendMarked(question, data.questions[row], new Set([...told].filter((word) => there.has(word))));
  const ranks = element("span", "ranks", "rank ", rankText(data, rankOf(data, choice.from, row)), " → ");
  ranks.append(element("b", "", rankText(data, rankOf(data, choice.to, row))));
  const words = { won: "higher", lost: "lower", same: "same rank" };
  const dot = element("i", `move ${outcome}`, element("span", "hidden", words[outcome]));
  const details = element("details", "", element("summary", "", dot, question, ranks));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(opened(data, row, choice));
  });
  return details;
}

function showCounts(root, counts) {
  for (const place of root.querySelectorAll("[data-outcome]")) {
    place.textContent = number(counts[place.dataset.outcome]);
  }
  for (const kind of ["won", "same", "lost"]) {
    root.querySelector(`.balance .${kind}`).style.flex = String(counts[kind]);
  }
}

function foundText(data, state) {
  const { from, to, outcome } = state.choice;
  const kept = data.questions.length;
  const parts = [element("b", "", number(state.found.chosen.length)), ` of ${number(data.total)} questions`];
  const pair = `with ${data.names[to]} than with ${data.names[from]}`;
  const what = {
    all: `, ${data.names[from]} against ${data.names[to]}, the largest change first`,
    won: `: right passage higher ${pair}, the largest change first`,
    lost: `: right passage lower ${pair}, the largest change first`,
    same: `: right passage at the same rank with ${data.names[from]} and ${data.names[to]}`,
  }[outcome];
  parts.push(`${what}.`);
  if (kept < data.total) parts.push(` This page holds the ${number(kept)} that changed the most.`);
  return parts;
}
