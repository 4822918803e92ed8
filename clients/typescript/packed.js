// Check what `npm pack --dry-run --json` says on stdin: everything that a user needs, and nothing else.

import { existsSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";

const { exports, ...facts } = JSON.parse(readFileSync("package.json", "utf8"));
const [{ files }] = JSON.parse(await text(process.stdin));
const packed = new Set(files.map(({ path }) => path));

const targets = Object.values(exports).flatMap((target) => Object.values(target));
const wanted = ["README.md", "LICENSE", "package.json", ...targets.map((path) => path.slice(2))];
const sources = [...packed].filter((path) => path.startsWith("src/"));
for (const source of sources) {
  const built = `build/${source.replace(/\.ts$/, "")}`;
  wanted.push(`${built}.js`, `${built}.d.ts`, `${built}.js.map`);
}

const problems = [
  ...wanted
    .filter((path) => !packed.has(path))
    .map((path) => `${path} is missing; run npm run build`),
  ...[...packed]
    .filter((path) => !wanted.includes(path) && !sources.includes(path))
    .map(
      (path) => `${path} does not belong there; a file in build may be left from an older source`,
    ),
  ...["description", "license", "keywords", "engines"]
    .filter((name) => facts[name] === undefined)
    .map((name) => `package.json has no ${name}`),
];
if (!existsSync("LICENSE") || !readFileSync("LICENSE").equals(readFileSync("../../LICENSE"))) {
  problems.push("LICENSE is not the one of the repository");
}
for (const problem of problems) {
  console.error(`npm pack: ${problem}`);
}
process.exitCode = problems.length === 0 ? 0 : 1;
