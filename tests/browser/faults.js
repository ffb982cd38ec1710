// Run inside a page: everything that is wrong with it, a sentence each.
() => {
  const found = [];
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const start = (node) => node.textContent.slice(0, 60);
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push("scrolls sideways");

  for (const formula of all("span.math, div.math"))
    if (!formula.querySelector("mjx-container")) found.push("formula not rendered: " + start(formula));
  for (const how of all('.output.text_latex mjx-mstyle[style*="gray"]')) {
    const box = how.getBoundingClientRect(); // of a cell that is folded it has no width
    if (box.width && box.right > width) found.push("how it was proved is out of sight: " + start(how.closest("div.math")));
  }
  for (const error of all("mjx-merror")) found.push("formula with an error: " + start(error));

  for (const figure of all("article figure")) {
    const name = figure.id || "a figure";
    if (!/^Fig\. \d/.test(figure.querySelector("figcaption")?.innerText ?? "")) found.push(name + " has no number and caption");
    const box = figure.querySelector("img, .main-svg")?.getBoundingClientRect();
    if (!box || box.width < 100 || box.height < 80) found.push(name + " shows nothing");
    else if (box.right > width + 1) found.push(name + " is wider than the page");
    if (!figure.querySelector("img, [role=img][aria-label]")) found.push(name + " has no alt text");
  }
  for (const image of all("article img")) {
    if (!image.complete || !image.naturalWidth) found.push("an image does not load: " + image.getAttribute("src"));
    if (image.alt.length < 20 || /\.(svg|png)$/.test(image.alt)) found.push("an image has no alt text: " + image.getAttribute("src"));
  }

  // WCAG contrast of text with what is behind it: at least 4.5.
  const parts = (color) => color.match(/[0-9.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = parts(color).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor, [r, g, b, alpha] = parts(color);
      if (alpha === undefined || alpha === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  for (const node of all("article p, article h2, article figcaption span, .plotly-graph-div .xtick text")) {
    const style = getComputedStyle(node);
    const front = light(node.tagName === "text" ? style.fill : style.color), back = light(behind(node));
    if ((Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05) < 4.5)
      found.push("text that is hard to read: " + start(node));
  }
  return found;
}
