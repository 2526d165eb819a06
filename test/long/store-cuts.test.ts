import { test } from "vitest";
import { runStoreCuts } from "../support/store-cuts.js";

test("store cuts - a journal cut or flipped at any byte of its last two records: a state that was, or damage", async () => {
  await runStoreCuts(0, 1);
});
