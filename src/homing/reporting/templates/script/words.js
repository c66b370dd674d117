// Words that question and passage share, marked where they stand.
const WORD = /[\p{L}\p{N}]+/gu;
const ENDING = /(?:ies|ing|es|ed|y|s|e)$/;

function stem(word) {
  const lower = word.toLowerCase();
  return lower.length > 4 ? lower.replace(ENDING, "") : lower;
}

function telling(question, common) {
  const words = question.match(WORD) || [];
  return new Set(words.filter((word) => word.length > 2 && !common.has(word.toLowerCase())).map(stem));
}

function stemsIn(texts) {
  return new Set(texts.flatMap((text) => (text.match(WORD) || []).map(stem)));
}

function appendMarked(parent, text, stems) {
  let end = 0;
  for (const match of text.matchAll(WORD)) {
    if (!stems.has(stem(match[0]))) continue;
    const mark = document.createElement("mark");
    mark.textContent = match[0];
    parent.append(text.slice(end, match.index), mark);
    end = match.index + match[0].length;
  }
  parent.append(text.slice(end));
}
