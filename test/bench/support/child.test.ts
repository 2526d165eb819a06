import { fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { nextMessage, waitForExit } from "../../../bench/support/child.js";

const folder = mkdtempSync(join(tmpdir(), "marketcast-child-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function forked(code: string) {
  const file = join(folder, "child.mjs");
  writeFileSync(file, code);
  return fork(file);
}

test("a message of a child that ends without one is an error, before its end and after", async () => {
  const child = forked("process.exit(3)");
  await expect(nextMessage(child)).rejects.toThrow("ended with code 3");
  await waitForExit(child);
  await expect(nextMessage(child)).rejects.toThrow("ended with code 3");
});

test("a message of a child that lives is its message", async () => {
  const child = forked("process.send({ kind: 'listening' }, () => process.disconnect())");
  expect(await nextMessage(child)).toEqual({ kind: "listening" });
  await waitForExit(child);
});
