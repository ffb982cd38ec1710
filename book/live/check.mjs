// Run the live cells of chapters in the Python that a page would start: node check.mjs RUNTIME.
// Each line in: a list of sources, as JSON. Each line out: for each of them what it shows.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const runtime = resolve(process.argv[2]);
const { loadPyodide } = await import(pathToFileURL(`${runtime}/pyodide.mjs`).href);
const python = await loadPyodide({ indexURL: runtime });
python.unpackArchive(new Uint8Array(readFileSync(`${runtime}/packages.zip`)), "zip", { extractDir: "/book" });
let outputs = [];
python.globals.set("_send", (text) => outputs.push(JSON.parse(text)));
python.runPython(`
import json, sys
sys.path.insert(0, "/book")
import runner
`);
for await (const line of createInterface({ input: process.stdin })) {
  python.runPython("session = runner.Session(lambda output: _send(json.dumps(output)))");
  const session = python.globals.get("session");
  const found = JSON.parse(line).map((source) => {
    outputs = [];
    session.run(source);
    return outputs;
  });
  session.destroy();
  console.log(JSON.stringify(found));
}
