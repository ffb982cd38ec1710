// What a cell shows, as the book shows stored results: formulas by the page's MathJax, tables as tables, text as text.

/**
 * @typedef {object} Output
 * @property {string} [stream]
 * @property {string} [text]
 * @property {Record<string, string>} [data] by kind, as notebooks name them
 * @property {string} [error]
 * @property {string} [message]
 * @property {number | null} [line]
 */

/** @param {string} tag @param {string} [kind] @param {string} [text] */
function element(tag, kind = "", text = "") {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
}

/** Add an output to a place. @param {Output} output @param {HTMLElement} place */
export function shown(output, place) {
  if (output.error) {
    const box = element("div", "relunb-error");
    const where = output.line ? `, line ${output.line}` : "";
    box.append(element("strong", "", `${output.error}${where}`), element("pre", "", output.message));
    place.append(box);
  } else if (output.stream) {
    const last = /** @type {HTMLElement | null} */ (place.lastElementChild);
    const box = last?.classList.contains(output.stream) ? last : element("pre", `output ${output.stream}`);
    box.append(output.text ?? "");
    place.append(box);
  } else if (output.data) {
    place.append(result(output.data));
  }
}

/** @param {Record<string, string>} data */
function result(data) {
  const latex = data["text/latex"];
  if (latex) return typeset(element("div", "output math notranslate nohighlight", `\\[${inner(latex)}\\]`));
  const rows = table(data["text/markdown"] ?? "");
  if (rows) return typeset(rows);
  return element("pre", "output text_plain", data["text/plain"]);
}

/** The formula without its dollars. @param {string} latex */
function inner(latex) {
  return latex.trim().replace(/^\$+(\\displaystyle)?|\$+$/g, "");
}

/** @param {HTMLElement} place */
function typeset(place) {
  const mathjax = /** @type {any} */ (window).MathJax;
  queueMicrotask(() => mathjax?.typesetPromise?.([place]));
  return place;
}

/** A Markdown table as an element; null where the text is none. @param {string} text */
function table(text) {
  const lines = text.trim().split("\n");
  if (lines.length < 2 || !/^\|[ :|-]+\|$/.test(lines[1])) return null;
  const cells = (/** @type {string} */ line) =>
    line
      .replace(/^\| ?| ?\|$/g, "")
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll("\\|", "|"));
  const sides = cells(lines[1]).map((mark) => (mark.endsWith(":") ? "right" : "left"));
  const made = element("table", "table");
  const head = element("thead");
  const body = element("tbody");
  lines.forEach((line, index) => {
    if (index === 1) return;
    const row = element("tr");
    cells(line).forEach((cell, column) => {
      const entry = element(index ? "td" : "th", `text-${sides[column]}`);
      entry.append(...words(cell));
      row.append(entry);
    });
    (index ? body : head).append(row);
  });
  made.append(head, body);
  const box = element("div", "pst-scrollable-table-container");
  box.append(made);
  return box;
}

/** Text with formulas between dollars and code between backticks. @param {string} text */
export function words(text) {
  return text.split(/\$([^$]+)\$|`([^`]+)`/).map((part, index) => {
    if (index % 3 === 1)
      return part === undefined ? "" : element("span", "math notranslate nohighlight", `\\(${part}\\)`);
    if (index % 3 === 2) return part === undefined ? "" : element("code", "", part);
    return part;
  });
}
