// The page while it runs: an editor in place of each live cell, and one worker that holds Python.

import { editor, lineOf } from "./editor.js";
import { shown, words } from "./outputs.js";

/**
 * What the build wrote into the page.
 * @typedef {object} Live
 * @property {string} home where the files that run pages lie, relative to the page
 * @property {string} notebook the page as a notebook, relative to the page
 * @property {number} megabytes what a first start fetches
 * @property {Entry[]} cells the code cells in their order
 *
 * @typedef {object} Entry
 * @property {string} [hidden] the source of a cell that the page does not show
 * @property {string} [why] what a cell needs that a browser lacks
 */

const CHECKS = ["NotEqual", "NotProved", "AssertionError"];

/** One live cell: hidden ones have a source and nothing else. */
class Cell {
  /** @param {Page} page @param {string} source @param {HTMLElement | null} place */
  constructor(page, source, place) {
    this.page = page;
    this.book = source;
    this.source = source;
    this.last = source; // as it ran last, in the book or here
    this.place = place;
    this.fresh = false; // has run in this session, as it stands, on what stands above it
    if (place) this.#open(place);
  }

  /** @param {HTMLElement} place */
  #open(place) {
    this.stored = /** @type {HTMLElement | null} */ (place.querySelector(":scope > .cell_output"));
    const input = /** @type {HTMLElement} */ (place.querySelector(".cell_input"));
    const kept = this.page.kept(this.book);
    if (kept !== null) this.source = kept;
    this.editor = editor(this.source, {
      run: () => this.page.run(this),
      changed: (text) => {
        this.source = text;
        this.fresh = false;
        this.page.keep(this);
        this.#mark();
      },
    });
    const tools = document.createElement("div");
    tools.className = "relunb-tools";
    const button = (/** @type {string} */ text, /** @type {string} */ title, /** @type {() => void} */ act) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, title });
      made.addEventListener("click", act);
      return made;
    };
    this.state = document.createElement("span");
    this.state.setAttribute("role", "status");
    this.old = Object.assign(document.createElement("span"), {
      className: "relunb-age",
      textContent: "From before the change above: press Run.",
      hidden: true,
    });
    this.undo = button("Reset", "Put back the book's text and its result", () => this.reset());
    tools.append(
      button("Run", "Run this cell, and before it those above that have not run (Shift-Enter)", () =>
        this.page.run(this),
      ),
      button("Run all above", "Run every cell above this one again", () => this.page.runAbove(this)),
      this.undo,
      this.state,
      this.old,
    );
    this.output = document.createElement("div");
    this.output.className = "cell_output relunb-output";
    this.output.setAttribute("aria-live", "polite");
    this.output.hidden = true;
    for (const child of input.children) /** @type {HTMLElement} */ (child).hidden = true;
    input.append(this.editor.dom, tools);
    (this.stored ?? input).after(this.output);
    this.#mark();
  }

  #mark() {
    if (this.undo) this.undo.disabled = this.source === this.book && this.output?.hidden !== false;
  }

  /** @param {string} text */
  say(text) {
    if (this.state) this.state.textContent = text;
  }

  /** Whether what is shown is from before a change of a cell above. @param {boolean} old */
  age(old) {
    if (old) this.fresh = false;
    this.place?.classList.toggle("relunb-old", old);
    if (this.old) this.old.hidden = !old;
    if (old) this.say("");
  }

  begin() {
    this.age(false);
    this.refuted = false; // a check did not hold: cells below run all the same
    this.say("running …");
    this.place?.classList.add("relunb-running");
    if (!this.output || !this.editor) return;
    this.output.replaceChildren();
    this.output.hidden = false;
    if (this.stored) this.stored.hidden = true;
    lineOf(this.editor, null);
    this.#mark();
  }

  /** @param {import("./outputs.js").Output} output */
  add(output) {
    if (this.output) shown(output, this.output);
    if (output.error) this.refuted = CHECKS.includes(output.error);
    if (output.error && output.line && this.editor) lineOf(this.editor, output.line);
    if (output.error && !this.output) this.failure = output;
  }

  /** @param {boolean} ok @param {number} seconds */
  end(ok, seconds) {
    this.fresh = ok;
    this.place?.classList.remove("relunb-running");
    this.say(ok ? `ran in ${seconds < 1 ? "under a second" : `${seconds.toFixed(0)} s`}` : "stopped at an error");
  }

  stopped() {
    this.fresh = false;
    this.place?.classList.remove("relunb-running");
    this.say("");
  }

  reset() {
    if (!this.editor || !this.output) return;
    this.editor.dispatch({ changes: { from: 0, to: this.editor.state.doc.length, insert: this.book } });
    lineOf(this.editor, null);
    this.output.hidden = true;
    if (this.stored) this.stored.hidden = false;
    this.say("");
    this.age(false);
    if (this.last !== this.source) this.page.outdate(this);
    this.#mark();
  }
}

export class Page {
  /** @param {Live} live @param {HTMLElement} bar @param {string} home where the runtime lies */
  constructor(live, bar, home) {
    this.live = live;
    this.home = home;
    this.bar = bar;
    /** @type {Cell[]} */
    this.cells = [];
    this.opened = false;
    this.judging = /** @type {HTMLElement | null} */ (null);
    this.running = /** @type {Cell | null} */ (null);
    this.queue = Promise.resolve();
    this.number = 0;
    /** @type {Promise<void> | undefined} */
    this.ready = undefined;
    /** @type {Map<number, (answer: any) => void>} */
    this.waiting = new Map();
  }

  /** Put editors into the cells and start Python. */
  async open() {
    if (!this.opened) {
      this.opened = true;
      this.bar.classList.add("relunb-open");
      this.#editors();
      this.#tools();
    }
    await this.#python();
  }

  #editors() {
    const places = [...document.querySelectorAll("div.cell")].filter((cell) => cell.querySelector(".cell_input pre"));
    let next = 0;
    for (const { hidden, why } of this.live.cells) {
      if (hidden !== undefined) {
        this.cells.push(new Cell(this, hidden, null));
        continue;
      }
      const place = /** @type {HTMLElement | undefined} */ (places[next++]);
      if (!place) throw new Error("The page and its cells do not fit together.");
      if (why) {
        const note = document.createElement("p");
        note.className = "relunb-why";
        note.textContent = `Needs ${why}: runs in make lab or the downloaded notebook, not in a browser.`;
        place.querySelector(".cell_input")?.append(note);
      } else {
        const source = place.querySelector(".cell_input pre")?.textContent ?? "";
        this.cells.push(new Cell(this, source.replace(/\n$/, ""), place));
      }
    }
  }

  #tools() {
    this.status = document.createElement("span");
    this.status.setAttribute("role", "status");
    this.meter = Object.assign(document.createElement("progress"), { max: 1, value: 0 });
    this.meter.setAttribute("aria-label", "Starting Python");
    const button = (/** @type {string} */ text, /** @type {() => void} */ act) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      made.addEventListener("click", act);
      return made;
    };
    this.stopper = button("Stop", () => this.stop());
    this.stopper.disabled = true;
    this.bar.replaceChildren(
      button("Run all", () => this.runAll()),
      this.stopper,
      button("Reset all", () => {
        for (const cell of this.cells) cell.reset();
      }),
      button("Download notebook", () => this.download()),
      this.meter,
      this.status,
    );
  }

  /** @param {string} text */
  #say(text) {
    if (this.status) this.status.textContent = text;
    if (this.judging) this.judging.textContent = text;
  }

  /** Start Python where it does not run. */
  #python() {
    this.ready ??= new Promise((resolve, reject) => {
      // From a blob a worker inherits the page's policy: no other host is asked, whatever a cell does.
      const starter = new Blob([`import ${JSON.stringify(`${this.home}worker.js`)};`], { type: "text/javascript" });
      const address = URL.createObjectURL(starter);
      const worker = new Worker(address, { type: "module" });
      this.worker = worker;
      if (this.meter) this.meter.hidden = false;
      const fail = (/** @type {string} */ text) => {
        worker.terminate();
        this.ready = undefined;
        this.#answerAll();
        if (this.meter) this.meter.hidden = true;
        this.#say(`Python did not start: ${text}`);
        reject(new Error(text));
      };
      worker.onerror = (event) => fail(event.message || "its files could not be read.");
      worker.onmessage = ({ data }) => {
        if (data.failed && data.done === undefined) fail(data.failed);
        else if (data.ready) {
          if (this.meter) this.meter.hidden = true;
          this.#say("Python is ready. Change the code in a box, and press Run below it, or Shift-Enter.");
          resolve();
        } else if (data.progress !== undefined) {
          if (this.meter) this.meter.value = data.progress;
          this.#say(`Fetching Python, ${Math.round(100 * data.progress)} %`);
        } else if (data.stage) this.#say(`${data.stage} …`);
        else if (data.done !== undefined) {
          this.waiting.get(data.done)?.(data);
          this.waiting.delete(data.done);
        } else this.running?.add(data);
      };
    });
    return this.ready;
  }

  /** @param {object} message @returns {Promise<any>} */
  #ask(message) {
    const id = ++this.number;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.worker?.postMessage({ ...message, id });
    });
  }

  /** Run cells one after the other; where one fails or is stopped, those behind it do not run. @param {Cell[]} cells */
  #enqueue(cells) {
    for (const cell of cells) if (!cell.fresh) cell.say("waits …");
    this.queue = this.queue
      .then(async () => {
        await this.#python();
        for (const [index, cell] of cells.entries()) {
          if (!(await this.#one(cell))) {
            for (const dropped of cells.slice(index + 1)) dropped.say("did not run: a cell above stopped");
            break;
          }
        }
      })
      .catch((error) => this.#say(`${error.message}`));
    return this.queue;
  }

  /** @param {Cell} cell */
  async #one(cell) {
    this.running = cell;
    if (this.stopper) this.stopper.disabled = false;
    cell.begin();
    const start = performance.now();
    const answer = await this.#ask({ source: cell.source });
    this.running = null;
    if (this.stopper) this.stopper.disabled = true;
    if (answer.ended) this.#restart("Python ended, and is new: a cell that runs takes those above with it.");
    if (answer.stopped) cell.stopped();
    else cell.end(answer.ok, (performance.now() - start) / 1000);
    if (cell.last !== cell.source) this.outdate(cell);
    cell.last = cell.source;
    return answer.ok === true || cell.refuted;
  }

  /** What stands below a cell that was changed is from before the change. @param {Cell} cell */
  outdate(cell) {
    for (const below of this.cells.slice(this.cells.indexOf(cell) + 1)) below.age(true);
  }

  /** A cell, and before it those above that have not run as they stand, or stand below one. @param {Cell} cell */
  run(cell) {
    const above = this.cells.slice(0, this.cells.indexOf(cell));
    const changed = above.findIndex((other) => other.last !== other.source);
    const needed = above.filter((other, place) => !other.fresh || (changed >= 0 && place > changed));
    return this.#enqueue([...needed, cell]);
  }

  /** @param {Cell} cell */
  runAbove(cell) {
    return this.#enqueue(this.cells.slice(0, this.cells.indexOf(cell)));
  }

  runAll() {
    return this.#enqueue(this.cells);
  }

  /** End the thread with all that it holds, and start another. */
  stop() {
    this.#restart("Stopped. Python is new: a cell that runs takes those above with it.");
  }

  /** @param {string} words what to say when Python is there again */
  #restart(words) {
    this.worker?.terminate();
    this.ready = undefined;
    for (const cell of this.cells) cell.fresh = false;
    this.#answerAll();
    this.#python().then(
      () => this.#say(words),
      () => undefined,
    );
  }

  /** Nobody will answer what was asked: it counts as stopped. */
  #answerAll() {
    for (const answer of this.waiting.values()) answer({ stopped: true });
    this.waiting.clear();
  }

  /**
   * @param {string} question as JSON
   * @param {string} typed
   * @param {HTMLElement} place where the verdict goes
   */
  async judge(question, typed, place) {
    this.judging = place;
    await this.#python();
    this.judging = null;
    const stop = Object.assign(document.createElement("button"), { type: "button", textContent: "Stop" });
    stop.addEventListener("click", () => this.stop());
    place.replaceChildren("Checking … ", stop);
    const { verdict, failed, stopped } = await this.#ask({ question, typed });
    place.replaceChildren();
    place.className = `relunb-${verdict?.verdict ?? "unreadable"}`;
    if (verdict?.latex) shown({ data: { "text/latex": verdict.latex, "text/plain": typed } }, place);
    const said = document.createElement("p");
    said.append(...words(verdict?.message ?? (stopped ? "Stopped." : failed)));
    place.append(said);
  }

  /** @param {string} book */
  #key(book) {
    let hash = 0;
    for (const letter of book) hash = (hash * 31 + letter.charCodeAt(0)) | 0;
    return `relunb ${location.pathname} ${hash}`;
  }

  /** What the reader made of a cell in an earlier visit. @param {string} book */
  kept(book) {
    try {
      return localStorage.getItem(this.#key(book));
    } catch {
      return null;
    }
  }

  /** @param {Cell} cell */
  keep(cell) {
    try {
      if (cell.source === cell.book) localStorage.removeItem(this.#key(cell.book));
      else localStorage.setItem(this.#key(cell.book), cell.source);
    } catch {
      this.#say("This browser keeps no edits: download the notebook before you leave.");
    }
  }

  /** The chapter as a notebook, with the reader's edits. */
  async download() {
    const response = await fetch(new URL(this.live.notebook, document.baseURI));
    const notebook = await response.json();
    const edits = new Map(this.cells.map((cell) => [cell.book.trim(), cell.source]));
    for (const cell of notebook.cells) {
      const source = [cell.source].flat().join("").trim();
      if (cell.cell_type === "code") cell.source = edits.get(source) ?? cell.source;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(notebook, null, 1)], { type: "application/json" }));
    link.download = this.live.notebook.split("/").pop() ?? "chapter.ipynb";
    link.click();
    URL.revokeObjectURL(link.href);
  }
}
