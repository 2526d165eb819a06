import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { KEEP_ALL, openStore, temporaryDirectory } from "./directories.js";

const WRITER = fileURLToPath(new URL("store-writer.mjs", import.meta.url));

const writers: ChildProcess[] = [];
afterEach(() => {
  for (const writer of writers.splice(0)) writer.kill("SIGKILL");
});

/** A process that has the store open and writes to it. */
async function startWriter(dir: string): Promise<ChildProcess> {
  const task = JSON.stringify({ dir, retention: KEEP_ALL });
  const writer = spawn(process.execPath, [WRITER, task], { stdio: ["ignore", "pipe", "inherit"] });
  writers.push(writer);
  await once(writer.stdout, "data");
  writer.stdout.resume();
  return writer;
}

function ownersIn(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith("owner-"));
}

describe("store lock", () => {
  it("store lock - a second one in the same thread is refused, until the first is closed", async () => {
    const dir = temporaryDirectory();
    const first = await openStore(dir);
    await expect(openStore(dir)).rejects.toMatchObject({
      code: "STORE_LOCKED",
      message: `${dir} is in use by another server; stop it, or choose another --data-dir`,
    });
    expect(ownersIn(dir)).toHaveLength(1);
    await first.close();
    await openStore(dir);
  });

  it("store lock - another process is refused, however it names the directory", async () => {
    const dir = temporaryDirectory();
    await startWriter(dir);
    await expect(openStore(join(dir, "..", dir.split("/").at(-1) ?? ""))).rejects.toMatchObject({
      code: "STORE_LOCKED",
    });
  });

  it("store lock - a process that stands still keeps it, and one that was killed does not", async () => {
    const dir = temporaryDirectory();
    const writer = await startWriter(dir);
    writer.kill("SIGSTOP");
    await expect(openStore(dir)).rejects.toMatchObject({ code: "STORE_LOCKED" });
    const exited = once(writer, "exit");
    writer.kill("SIGKILL");
    await exited;
    expect(ownersIn(dir)).toHaveLength(1);
    await openStore(dir);
    // What the dead one left is gone.
    expect(ownersIn(dir)).toHaveLength(1);
  });

  it("store lock - of many that open at once, one at most gets it, and in time another one", async () => {
    const dir = temporaryDirectory();
    const openings = await Promise.allSettled(Array.from({ length: 8 }, () => openStore(dir)));
    const opened = openings.filter(({ status }) => status === "fulfilled");
    expect(opened.length).toBeLessThanOrEqual(1);
    for (const opening of openings) {
      if (opening.status === "rejected") expect(opening.reason.code).toBe("STORE_LOCKED");
      else await opening.value.close();
    }
    await openStore(dir);
    expect(ownersIn(dir)).toHaveLength(1);
  });

  it.skipIf(process.platform !== "linux")(
    "store lock - works in a directory whose name is longer than a socket's address",
    async () => {
      const dir = join(temporaryDirectory(), "d".repeat(120), "e".repeat(120));
      mkdirSync(dir, { recursive: true });
      await openStore(dir);
      await expect(openStore(dir)).rejects.toMatchObject({ code: "STORE_LOCKED" });
    },
  );
});
