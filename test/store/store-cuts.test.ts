import { test } from "vitest";
import { drawSeed } from "../support/seeds.js";
import { runStoreCuts } from "../support/store-cuts.js";

const STEP = 101;
const FIRST = drawSeed("store cuts") % STEP;

test(`store cuts - a journal cut or flipped at bytes of its last two records (${FIRST} + n × ${STEP}): a state that was, or damage`, async () => {
  await runStoreCuts(FIRST, STEP);
});
