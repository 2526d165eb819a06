// Loaded into a server with --import, its threads included: sets its wall clock ahead or back by as many
// ms as stand in the file that STEPPING_CLOCK names, whenever that changes.
import { readFileSync } from "node:fs";

const { now } = Date;
let ahead = 0;
Date.now = () => now() + ahead;
setInterval(() => {
  ahead = Number(readFileSync(process.env.STEPPING_CLOCK, "utf8"));
}, 20).unref();
