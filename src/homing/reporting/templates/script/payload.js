// Packed texts: base64 of what was deflated, inflated by the browser itself.
async function inflate(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  // Uint8Array.from does the same in ten times the time: these are millions of characters.
  for (let n = 0; n < bytes.length; n += 1) bytes[n] = binary.charCodeAt(n);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

// What reporting/explorer.py has written short, written out: every passage by its number.
function unpack(data) {
  let next = 0;
  data.met = data.met.map((steps) => steps.map((step) => (step < 0 ? next++ : next - 1 - step)));
  data.commonWords = new Set(data.common);
  data.reasons = new Map(data.suspects);
  data.searched = [];
  return data;
}

function rankOf(data, contender, row) {
  return data.ranks[row * data.names.length + contender];
}

function rightOf(data, row) {
  return data.met[row].slice(0, data.nRight[row]);
}

const FIRST_CHARACTER = 48;

function topOf(data, contender, row) {
  const start = (row * data.names.length + contender) * data.width;
  const places = Array.from(data.orders.slice(start, start + data.width));
  const found = places.filter((place) => place !== " ");
  return found.map((place) => data.met[row][place.charCodeAt(0) - FIRST_CHARACTER]);
}

// Rows of a slice are stored as steps from one to the next.
function rowsOf(steps) {
  let row = 0;
  return steps.map((step) => (row += step));
}

// A link to a document, its path quoted part by part so that it can be nothing but a path.
function linkOf(data, document_, page) {
  if (!data.linked[document_]) return "";
  const link = (data.root + data.paths[document_]).split("/").map(encodeURIComponent).join("/");
  return page && data.paged[document_] ? `${link}#page=${page}` : link;
}
