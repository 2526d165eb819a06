// Holds a state of a store until it is killed, and says so.
import { writeSync } from "node:fs";
import { holdState } from "../../dist/store/environment.js";

holdState(process.argv[2]);
writeSync(1, "held\n");
setInterval(() => {}, 60_000);
