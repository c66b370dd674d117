// Charts: drawn one at a time, so that the page can be read and scrolled meanwhile.
async function loadLibraries() {
  const sources = JSON.parse(await inflate(document.getElementById("libraries").textContent));
  for (const source of sources) {
    const script = document.createElement("script");
    // Runs at once if the page's policy names its hash, else not at all.
    script.textContent = source;
    document.head.append(script);
  }
}

async function drawCharts(charts) {
  await loadLibraries();
  const options = {
    actions: false,
    // The interpreter: the page's policy forbids code made from strings.
    ast: true,
    mode: "vega-lite",
    renderer: "svg",
    tooltip: { theme: "custom" },
    // By name, not as a CSS variable: labels are measured on a canvas, which knows no variables.
    config: { font: getComputedStyle(document.body).fontFamily },
  };
  const waiting = Object.keys(charts);

  function drawNext() {
    const id = waiting.shift();
    if (id === undefined) return;
    drawChart(id, charts[id], options).then(() => setTimeout(drawNext, 0));
  }
  drawNext();
}

function drawChart(id, chart, options) {
  const figure = document.getElementById(id);
  const box = figure.querySelector(".chart");
  return vegaEmbed(box, chart, options).then(
    () => {
      figure.classList.add("drawn");
      const numbers = figure.querySelector("details");
      if (numbers) numbers.open = false;
    },
    (error) => {
      // The numbers stand in the table below; the page stays whole.
      box.hidden = true;
      console.error(`chart ${id}: ${error}`);
    }
  );
}
