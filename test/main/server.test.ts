import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { endRuns, runNode } from "../support/run-node.js";

const ABORTED_STARTS = fileURLToPath(new URL("../support/aborted-starts.mjs", import.meta.url));

afterEach(endRuns);

it("server - a start whose signal aborts rejects with its reason and leaves nothing; later it is a stop", async () => {
  const { ended, lines } = runNode([ABORTED_STARTS]);
  // The process ends by itself: nothing keeps it.
  expect(await ended).toBe(0);
  const { results, handles, terminatedEarly } = JSON.parse(lines.join("")) as {
    readonly results: readonly Readonly<Record<string, unknown>>[];
    readonly handles: readonly string[];
    readonly terminatedEarly: number;
  };
  expect([handles, terminatedEarly]).toEqual([[], 0]);
  const [before, ...rest] = results;
  expect(before).toEqual({ when: "before", rejected: "the reason" });
  for (const during of rest.slice(0, -1)) {
    // On a fast machine the last of them may find the start complete.
    const { rejected, code } = during;
    expect([rejected, code]).toEqual(
      rejected === undefined ? [undefined, 0] : ["the reason", undefined],
    );
  }
  expect(rest.at(-1)).toEqual({ when: "after", code: 0, same: true });
});
