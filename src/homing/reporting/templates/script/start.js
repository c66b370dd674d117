// Each part starts for itself: one that fails leaves the others, and what stands there without it.
function start(name, work) {
  return Promise.resolve()
    .then(work)
    .catch((error) => console.error(`${name}: ${error}`));
}

async function explore() {
  const packed = document.getElementById("explorer-data");
  if (packed) startExplorer(unpack(JSON.parse(await inflate(packed.textContent))));
}

const page = JSON.parse(document.getElementById("page-data").textContent);
start("sorting", () => document.querySelectorAll("table.sortable").forEach(makeSortable));
start("download", () => offerCsv(page.csv));
// Drawing is long work: what can be used comes first.
start("explorer", explore).then(() => start("charts", () => drawCharts(page.charts)));
