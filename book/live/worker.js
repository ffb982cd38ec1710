// Python in a thread of its own: the page stays free, and a cell that hangs can be ended with its thread.
// Messages in: {cell, source} runs a cell, {check, question, typed} judges an answer. Messages out: see send().

import { FILES } from "./files.js"; // written by the build: each file with its size in bytes

const send = (/** @type {object} */ message) => self.postMessage(message);

/** Fetch through a cache that lives as long as this version of the book, and say how far it is. */
function cachedFetch() {
  const plain = self.fetch.bind(self);
  const total = Object.values(FILES).reduce((sum, size) => sum + size, 0);
  let here = 0;
  const counted = (/** @type {Response} */ response) => {
    const body = response.body?.pipeThrough(
      new TransformStream({
        transform(chunk, controller) {
          here += chunk.byteLength;
          send({ progress: Math.min(1, here / total) });
          controller.enqueue(chunk);
        },
      }),
    );
    return new Response(body, { status: response.status, headers: response.headers });
  };
  return async (/** @type {RequestInfo | URL} */ address) => {
    const url = String(address instanceof Request ? address.url : address);
    const cache = self.caches ? await self.caches.open(new URL(".", import.meta.url).pathname) : null;
    const kept = await cache?.match(url);
    if (kept) return counted(kept);
    const response = await plain(url);
    if (!response.ok) throw new Error(`${url.split("/").pop()} could not be fetched (${response.status}).`);
    if (cache) await cache.put(url, response.clone());
    return counted(response);
  };
}

/** Delete what earlier versions of the book have left. */
async function forgetOthers() {
  const mine = new URL(".", import.meta.url).pathname;
  for (const name of (await self.caches?.keys()) ?? []) {
    if (name !== mine && name.includes("/_static/live/")) await self.caches.delete(name);
  }
}

async function start() {
  self.fetch = /** @type {typeof fetch} */ (cachedFetch());
  const here = new URL(".", import.meta.url).href;
  const { loadPyodide } = await import(`${here}pyodide.mjs`);
  const archive = self.fetch(`${here}packages.zip`).then((response) => response.arrayBuffer());
  const python = await loadPyodide({ indexURL: here });
  send({ stage: "Starting Python" });
  python.unpackArchive(await archive, "zip", { extractDir: "/book" });
  python.globals.set("_send", (/** @type {string} */ text) => send(JSON.parse(text)));
  send({ stage: "Loading SymPy" });
  python.runPython(BOOT);
  await forgetOthers();
  return python;
}

const BOOT = `
import json, sys
sys.path.insert(0, "/book")
import runner
import sympy, relunb.check
_session = runner.Session(lambda output: _send(json.dumps(output)))
`;

const ready = start();
ready.then(
  () => send({ ready: true }),
  (error) => send({ failed: String(error.message ?? error) }),
);

self.onmessage = async ({ data }) => {
  const python = await ready;
  if (data.question) {
    const judge = python.globals.get("runner").judge;
    try {
      send({ done: data.id, verdict: JSON.parse(judge(data.question, data.typed)) });
    } catch (error) {
      send({ done: data.id, failed: String(/** @type {Error} */ (error).message) });
    }
  } else {
    try {
      send({ done: data.id, ok: python.globals.get("_session").run(data.source) });
    } catch (error) {
      // Python itself has ended, as where a recursion has no end: what it held is lost.
      send({ error: "Python ended", message: String(/** @type {Error} */ (error).message), line: null });
      send({ done: data.id, ended: true });
    }
  }
};
