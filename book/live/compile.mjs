// Compile every Python file of a folder with the Python that will load it: node compile.mjs RUNTIME FOLDER.
// The sources go: an error on a page names the line of its cell alone.

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [runtime, folder] = process.argv.slice(2).map((name) => resolve(name));
const { loadPyodide } = await import(pathToFileURL(`${runtime}/pyodide.mjs`).href);
const python = await loadPyodide({ indexURL: runtime });
python.mountNodeFS("/folder", folder);
python.runPython(`
import compileall, pathlib, py_compile
checked = py_compile.PycInvalidationMode.UNCHECKED_HASH
assert compileall.compile_dir("/folder", quiet=1, legacy=True, stripdir="/folder", invalidation_mode=checked)
for source in pathlib.Path("/folder").rglob("*.py"):
    source.unlink()
`);
