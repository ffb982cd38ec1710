// Plotly writes its colours into the figure; take the text colour from the page whenever the theme changes.
function paintPlotly() {
  const color = getComputedStyle(document.body).color;
  document.querySelectorAll(".plotly-graph-div").forEach((figure) => {
    if (figure._fullLayout) Plotly.relayout(figure, { "font.color": color });
  });
}
addEventListener("load", paintPlotly);
new MutationObserver(paintPlotly).observe(document.documentElement, {
  attributes: true,
  attributeFilter: ["data-theme"],
});
