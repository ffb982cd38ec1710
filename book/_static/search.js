// A topic of the index leads to a mark without text, of which Sphinx 8 makes an error. Its excerpt is of its section.
addEventListener("DOMContentLoaded", () => {
  const textAt = Search.htmlToText;
  Search.htmlToText = (page, anchor) => {
    const mark = anchor && new DOMParser().parseFromString(page, "text/html").querySelector(anchor);
    const empty = mark && !mark.textContent.trim();
    const around = empty && mark.closest("section[id]");
    return around ? textAt(page, `#${CSS.escape(around.id)}`) : textAt(page, empty ? "" : anchor);
  };
});
