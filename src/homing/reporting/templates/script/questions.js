// Which questions to show: by what happened to the right passage, by slice, by words.
function reciprocal(rank) {
  return rank ? 1 / rank : 0;
}

function outcomeOf(change) {
  return change > 0 ? "won" : change < 0 ? "lost" : "same";
}

function choose(data, choice) {
  const counts = { all: 0, won: 0, lost: 0, same: 0 };
  const chosen = [];
  for (const row of candidates(data, choice.among)) {
    if (!mentions(data, row, choice.words)) continue;
    const change = reciprocal(rankOf(data, choice.to, row)) - reciprocal(rankOf(data, choice.from, row));
    const outcome = outcomeOf(change);
    counts.all += 1;
    counts[outcome] += 1;
    if (choice.outcome === "all" || choice.outcome === outcome) chosen.push({ row, change, outcome });
  }
  chosen.sort((a, b) => Math.abs(b.change) - Math.abs(a.change) || a.row - b.row);
  return { counts, chosen };
}

function candidates(data, among) {
  if (among === "all") return data.questions.keys();
  if (among === "suspects") return data.reasons.keys();
  return rowsOf(data.slices[Number(among)]);
}

function mentions(data, row, words) {
  if (!words.length) return true;
  if (data.searched[row] === undefined) {
    const right = rightOf(data, row).flatMap((number) => [
      data.texts[number],
      data.titles[data.title[number]],
      data.paths[data.document[number]],
    ]);
    data.searched[row] = [data.questions[row], ...right].join("\n").toLowerCase();
  }
  return words.every((word) => data.searched[row].includes(word));
}
