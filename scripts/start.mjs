// What `npm start` runs, by `exec`: builds what is missing, then the command line in this process, so that
// signals reach the server itself. Arguments after `--` are the command line's.
import { fileURLToPath } from "node:url";
import { buildProduct } from "./build.mjs";

buildProduct();
process.argv[1] = fileURLToPath(new URL("../dist/cli/marketcast.js", import.meta.url));
await import("../dist/cli/marketcast.js");
