// Tables: sorted by any column, and saved as CSV.
function makeSortable(table) {
  for (const head of table.querySelectorAll("thead th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, head));
  }
}

function sortBy(table, head) {
  // Text and costs start with the least, shares with the most.
  const first = head.dataset.sort === "down" ? "descending" : "ascending";
  const second = first === "descending" ? "ascending" : "descending";
  const order = head.getAttribute("aria-sort") === first ? second : first;
  for (const other of table.querySelectorAll("thead th[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const body = table.tBodies[0];
  const column = head.cellIndex;
  const isText = head.dataset.sort === "text";
  const rows = Array.from(body.rows, (row) => ({ row, value: row.cells[column].dataset.value }));
  const sign = order === "ascending" ? 1 : -1;
  rows.sort((a, b) => {
    // What was not measured stays below, whichever way.
    if (a.value === "" || b.value === "") return (a.value === "") - (b.value === "");
    return sign * (isText ? a.value.localeCompare(b.value) : Number(a.value) - Number(b.value));
  });
  body.append(...rows.map(({ row }) => row));
}

function offerCsv(csv) {
  document.getElementById("leaderboard-tools").hidden = false;
  document.getElementById("download-csv").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", csv], { type: "text/csv;charset=utf-8" }));
    link.download = "leaderboard.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
