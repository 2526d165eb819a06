import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it, vi } from "vitest";
import { verifyDataFile, verifyMetas } from "../../src/store/data-file.js";
import { holdState } from "../../src/store/environment.js";
import { KEEP_ALL, openStore, temporaryDirectory } from "./directories.js";
import { engineRun, take } from "./engine-run.js";

const WRITER = fileURLToPath(new URL("store-writer.mjs", import.meta.url));
const LOOKS = 60;
/** With so many it is enough after a while: each takes as long as the file has grown. */
const LOOKS_MIN = 10;
const LOOKS_MS_MAX = 4000;

/** What another process does to the file at every look at its size: before, and after it. */
const meanwhile = vi.hoisted(() => ({ before: (): void => {}, after: (): void => {} }));
vi.mock(import("node:fs"), async (original) => {
  const fs = await original();
  const fstatSync = (descriptor: number) => {
    meanwhile.before();
    const stats = fs.fstatSync(descriptor);
    meanwhile.after();
    return stats;
  };
  return { ...fs, fstatSync: fstatSync as typeof fs.fstatSync };
});
afterEach(() => {
  meanwhile.before = meanwhile.after = () => {};
});

it.each(["before", "after"] as const)(
  "data file - one that grows right %s its size is read is sound",
  async (when) => {
    const dir = temporaryDirectory();
    const path = join(dir, "data.mdb");
    const store = await openStore(dir);
    const [first, ...more] = take(engineRun(1, 200), 20);
    await store.commit(first as (typeof more)[0]);
    const release = holdState(dir);
    const small = readFileSync(path);
    for (const changes of more) await store.commit(changes);
    // It has them in the trees before it removes anything.
    await store.prune(0);
    const large = readFileSync(path);
    await release();
    await store.close();
    expect(large.length).toBeGreaterThan(small.length);
    const copy = join(temporaryDirectory(), "data.mdb");
    writeFileSync(copy, small);
    meanwhile[when] = () => writeFileSync(copy, large);
    await verifyDataFile(copy);
    expect(readFileSync(copy).length).toBe(large.length);
  },
);

it("data file - a sound file is found sound at every moment at which somebody writes to it", async () => {
  const dir = temporaryDirectory();
  const path = join(dir, "data.mdb");
  const task = JSON.stringify({ dir, retention: KEEP_ALL });
  const writer = spawn(process.execPath, [WRITER, task], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(writer, "exit");
  try {
    let commits = 0;
    const lines = createInterface(writer.stdout).on("line", (line) => {
      commits = Number(line);
    });
    await once(lines, "line");
    const endsAt = performance.now() + LOOKS_MS_MAX;
    const isEnough = (looks: number): boolean =>
      looks >= LOOKS || (looks >= LOOKS_MIN && performance.now() > endsAt);
    for (let look = 0; !isEnough(look) || commits < 10; look++) {
      for (let i = 0; i < 50; i++) verifyMetas(path);
      const release = holdState(dir);
      await verifyDataFile(path).finally(release);
    }
  } finally {
    writer.kill("SIGKILL");
    await exited;
  }
});
