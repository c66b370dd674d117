"use strict";
(function () {
  var charts = JSON.parse(document.getElementById("chart-data").textContent);
  var options = {
    actions: false,
    // The interpreter: the page's policy forbids code made from strings.
    ast: true,
    mode: "vega-lite",
    renderer: "svg",
    tooltip: { theme: "custom" },
    // By name, not as a CSS variable: labels are measured on a canvas, which knows no variables.
    config: { font: getComputedStyle(document.body).fontFamily },
  };
  Object.keys(charts).forEach(function (id) {
    var figure = document.getElementById(id);
    var box = figure.querySelector(".chart");
    vegaEmbed(box, charts[id], options).then(
      function () {
        figure.classList.add("drawn");
        var numbers = figure.querySelector("details");
        if (numbers) numbers.open = false;
      },
      function (error) {
        // The numbers stand in the table below; the page stays whole.
        box.hidden = true;
        console.error("chart " + id + ": " + error);
      }
    );
  });
})();
