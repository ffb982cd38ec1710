// On every chapter: the button that makes its cells run, and the boxes for answers. Fetches nothing before a click.
// A plain script and no module: a browser loads no module from a file, and then the button has to say so.

(() => {
  /** @typedef {import("./page.js").Live} Live */

  const data = document.getElementById("relunb-live");
  const boxes = document.querySelectorAll(".relunb-answer");
  const live = /** @type {Live} */ (data ? JSON.parse(data.textContent ?? "") : null);

  /** Why Python cannot start here; empty where it can. */
  function obstacle() {
    if (location.protocol === "file:") {
      return "This page was opened as a file, and a browser runs no Python from files: type make serve.";
    }
    if (typeof WebAssembly !== "object" || typeof Worker !== "function") {
      return "This browser has no WebAssembly, which Python needs to run here: use make lab, or download the notebook.";
    }
    return "";
  }

  /** @type {Promise<import("./page.js").Page> | null} */
  let page = null;

  async function newest() {
    const { HOME } = await import(new URL(`${live.home}current.js?${Date.now()}`, document.baseURI).href);
    const home = new URL(live.home + HOME, document.baseURI).href;
    const { Page } = await import(`${home}page.js`);
    return new Page(live, bar, home);
  }

  /** Fetch what runs the page, at the first click. */
  function whole() {
    page ??= newest();
    return page;
  }

  const bar = document.createElement("div");

  function countEdits() {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(`relunb ${location.pathname} `)).length;
    } catch {
      return 0; // a browser that keeps nothing
    }
  }

  function addBar() {
    bar.className = "relunb-bar";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Run on this page";
    const status = document.createElement("span");
    status.setAttribute("role", "status");
    const reason = obstacle();
    button.disabled = reason !== "";
    const edits = countEdits();
    const kept = edits ? ` Your ${edits === 1 ? "edit is" : `${edits} edits are`} kept.` : "";
    const offer = `Python starts in your browser; nothing is installed. ${live.megabytes} MB, once.`;
    status.textContent = reason || `${offer}${kept}`;
    button.addEventListener("click", async () => {
      button.disabled = true;
      status.textContent = "Fetching …";
      try {
        await (await whole()).open();
      } catch (error) {
        page = null;
        button.disabled = false;
        status.textContent = `It did not start: ${/** @type {Error} */ (error).message} Click to try again.`;
      }
    });
    bar.append(button, status);
    document.querySelector("article h1")?.after(bar);
  }

  /** @param {HTMLElement} box */
  function addAnswer(box) {
    const number = Number(box.dataset.question);
    const questions = JSON.parse(document.getElementById("relunb-questions")?.textContent ?? "[]");
    const id = `relunb-answer-${number}`;
    const form = document.createElement("form");
    const field = Object.assign(document.createElement("input"), {
      id,
      type: "text",
      autocomplete: "off",
      spellcheck: false,
    });
    field.setAttribute("aria-label", "Your answer");
    field.placeholder = "as in 2*a/3 + sqrt(b)*pi**2";
    field.setAttribute("autocapitalize", "off");
    const check = Object.assign(document.createElement("button"), { type: "submit", textContent: "Check" });
    const hint = Object.assign(document.createElement("button"), { type: "button", textContent: "Hint" });
    const verdict = document.createElement("div");
    verdict.setAttribute("role", "status");
    const help = /** @type {HTMLElement | null} */ (box.querySelector(".relunb-hint"));
    hint.addEventListener("click", () => {
      if (help) help.hidden = !help.hidden;
    });
    const reason = obstacle();
    check.disabled = reason !== "";
    if (reason) verdict.textContent = reason;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      check.disabled = true;
      verdict.className = "";
      verdict.textContent = "Fetching …";
      try {
        await (await whole()).judge(JSON.stringify(questions[number]), field.value, verdict);
      } catch (error) {
        page = null;
        verdict.textContent = `It did not start: ${/** @type {Error} */ (error).message} Press Check to try again.`;
      }
      check.disabled = false;
    });
    form.append(field, check, ...(help ? [hint] : []));
    box.append(form, verdict);
    box.hidden = false;
  }

  if (live) {
    addBar();
    for (const box of boxes) addAnswer(/** @type {HTMLElement} */ (box));
  }
})();
