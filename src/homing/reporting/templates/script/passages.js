// One question opened: what two contenders put first, beside the right passage.
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function rankText(data, rank) {
  return rank ? String(rank) : `>${data.depth}`;
}

function markOf(data, row, number) {
  const right = rightOf(data, row);
  if (right.includes(number)) return "right";
  const group = data.group[number];
  if (group && right.some((other) => data.group[other] === group)) return "duplicate";
  return data.wrong[row].includes(data.met[row].indexOf(number)) ? "wrong" : "unjudged";
}

const MARKS = {
  right: ["pill right", "✓ right passage"],
  duplicate: ["pill duplicate", "✓ duplicate of the right passage"],
  wrong: ["pill open", "judged not to answer"],
  unjudged: ["", "unjudged"],
};

function placeOf(data, number) {
  const document_ = data.document[number];
  const page = data.page[number];
  const path = data.paths[document_];
  const text = [path, page ? `page ${page}` : ""].filter(Boolean).join(", ");
  const link = linkOf(data, document_, page);
  if (!text || !link) return text;
  const anchor = element("a", "", text);
  anchor.href = link;
  anchor.rel = "noopener noreferrer";
  anchor.target = "_blank";
  return anchor;
}

function card(data, row, number, rank, stems) {
  const mark = markOf(data, row, number);
  const item = element("li", mark === "right" || mark === "duplicate" ? `hit ${mark}` : "hit");
  const meta = element("div", "meta");
  if (rank) meta.append(element("span", "", `${rank}.`));
  const title = data.titles[data.title[number]];
  if (title) meta.append(element("span", "title", title));
  const [className, words] = MARKS[mark];
  meta.append(element("span", className, words));
  item.append(meta);
  const place = placeOf(data, number);
  if (place) item.append(element("div", "place", place));
  const text = element("p", "text");
  appendMarked(text, data.texts[number], stems);
  item.append(text);
  return item;
}

function side(data, row, contender, stems) {
  const heading = element("h3", "");
  heading.append(element("i", `dot c-${data.styles[contender]}`));
  const rank = rankText(data, rankOf(data, contender, row));
  heading.append(data.names[contender], element("span", "rank", `: right passage at rank ${rank}`));
  const list = element("ol", "hits");
  topOf(data, contender, row).forEach((number, n) => list.append(card(data, row, number, n + 1, stems)));
  return element("div", "", heading, list);
}

function opened(data, row, choice) {
  const stems = telling(data.questions[row], data.commonWords);
  const inside = element("div", "inside");
  const reason = data.reasons.get(row);
  if (reason) inside.append(element("p", "note serious", reason));
  const shown = new Set([...topOf(data, choice.from, row), ...topOf(data, choice.to, row)]);
  const isThere = [...shown].some((number) => ["right", "duplicate"].includes(markOf(data, row, number)));
  if (!isThere) {
    const list = element("ul", "hits");
    rightOf(data, row).slice(0, 3).forEach((number) => list.append(card(data, row, number, 0, stems)));
    const heading = element("h3", "", `The right passage, among the first ${data.width} of neither`);
    inside.append(element("div", "also", heading, list));
  }
  const sides = [...new Set([choice.from, choice.to])].map((who) => side(data, row, who, stems));
  inside.append(element("div", "sides", ...sides));
  return inside;
}
