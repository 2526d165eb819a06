import { it } from "vitest";
import { checkAllHistories, checkCongestedHistories } from "./support/shard-histories.js";
it("zz", { timeout: 300000 }, () => { checkCongestedHistories(2500); checkAllHistories(2500); });
