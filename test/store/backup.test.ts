import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  cpSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { backUpStore } from "../../src/store/backup.js";
import { checkStore } from "../../src/store/check.js";
import { restoreStore } from "../../src/store/restore.js";
import type { Store } from "../../src/store/store.js";
import { KEEP_ALL, openStore, temporaryDirectory } from "./directories.js";
import { byJson, ChangeLedger, engineRun, MARKETS, take } from "./engine-run.js";

const WRITER = fileURLToPath(new URL("store-writer.mjs", import.meta.url));
const PAGE_BYTES = 4096;
/** Of a meta page: where its last page is said, behind the page's own header. */
const LAST_PAGE_AT = 24 + 120;

async function loaded(store: Store) {
  const { positions, totals, markets, ...rest } = await store.load();
  const lists = { positions: byJson(positions), totals: byJson(totals), markets: byJson(markets) };
  return { ...rest, ...lists };
}

/** What a killed server leaves: some batches in its trees, the last ones in its journal only. */
async function killed() {
  const dir = join(temporaryDirectory(), "exchange");
  const store = await openStore(dir);
  await store.putMarkets(MARKETS);
  const ledger = new ChangeLedger();
  for (const [at, changes] of take(engineRun(17, 20), 8).entries()) {
    // Brings the trees up to what was before.
    if (at === 4) await store.load();
    await store.commit(changes);
    ledger.add(changes);
  }
  const left = join(temporaryDirectory(), "exchange");
  cpSync(dir, left, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  await store.close();
  return { dir: left, ledger };
}

const place = (name: string): string => join(temporaryDirectory(), name);

describe("backup", () => {
  it.each(["directory", "backup.tar", "backup.tar.gz", "backup.tgz", "2026-11-26", "2026.11.26"])(
    "backup - made as %s and restored, it has what trees and journal have together",
    async (name) => {
      const { dir, ledger } = await killed();
      const target = place(name);
      const { commits, files } = await backUpStore(dir, target);
      expect(commits).toBe(8);
      // The trees of it are behind: there are records in its journal.
      expect(files[1]?.bytes).toBeGreaterThan(4 * 512);
      expect(statSync(target).isFile()).toBe(/tar|tgz/.test(name));
      const restored = join(temporaryDirectory(), "data", "exchange");
      await restoreStore(target, restored);
      expect(readdirSync(restored).sort()).toEqual(["data.mdb", "journal"]);
      const again = await openStore(restored);
      expect(await loaded(again)).toEqual(ledger.state);
      // It goes on as any other.
      for (const changes of take(engineRun(17, 20), 12).slice(8)) {
        await again.commit(changes);
        ledger.add(changes);
      }
      await again.close();
      expect(await loaded(await openStore(restored))).toEqual(ledger.state);
    },
  );

  it("backup - beside a process that writes without end, each is of one moment and lacks nothing told", async () => {
    const dir = join(temporaryDirectory(), "exchange");
    const writer = spawn(process.execPath, [WRITER, JSON.stringify({ dir, retention: KEEP_ALL })]);
    const exited = once(writer, "exit");
    try {
      let told = 0;
      const lines = createInterface({ input: writer.stdout });
      lines.on("line", (line) => {
        told = Number(line);
      });
      await once(lines, "line");
      for (let round = 0; round < 6; round++) {
        const before = told;
        const target = place(round % 2 === 0 ? "directory" : "file.tar");
        await backUpStore(dir, target);
        const restored = join(temporaryDirectory(), "exchange");
        await restoreStore(target, restored);
        expect((await checkStore(restored)).find(({ name }) => name === "file")?.problems).toBe(0);
        const store = await openStore(restored);
        const { nextOrderId, nextTradeId, openOrders, clientOrderIds } = await store.load();
        const commits = nextTradeId - 1;
        expect(commits).toBeGreaterThanOrEqual(before);
        expect(nextOrderId).toBe(2 * commits + 1);
        expect([...openOrders].length).toBe(commits);
        expect([...clientOrderIds].length).toBe(commits);
        expect(store.tradesAfter(0).length).toBe(commits);
        await store.close();
        while (told === before) await once(lines, "line");
      }
    } finally {
      writer.kill("SIGKILL");
      await exited;
    }
  });

  it("backup - one takes the place of nothing, and leaves nothing where it fails", async () => {
    const { dir } = await killed();
    const parent = temporaryDirectory();
    const there = join(parent, "there");
    await backUpStore(dir, there);
    const exists = { code: "STORE_EXISTS", message: expect.stringContaining("is there already") };
    await expect(backUpStore(dir, there)).rejects.toMatchObject(exists);
    const file = join(parent, "file.tar");
    writeFileSync(file, "something");
    await expect(backUpStore(dir, file)).rejects.toMatchObject(exists);
    expect(readFileSync(file, "utf8")).toBe("something");
    for (const name of ["link", "link.tar"]) {
      const link = join(parent, name);
      symlinkSync(join(parent, "away"), link);
      await expect(backUpStore(dir, link)).rejects.toMatchObject(exists);
      expect(readlinkSync(link)).toBe(join(parent, "away"));
      rmSync(link);
    }

    const empty = join(parent, "empty");
    mkdirSync(empty);
    const nowhere = join(parent, "nowhere");
    for (const target of [empty, join(parent, "new"), join(parent, "new.tar")]) {
      await expect(backUpStore(nowhere, target)).rejects.toMatchObject({
        code: "STORE_UNREADABLE",
        message: expect.stringContaining(nowhere),
      });
      const gone = AbortSignal.abort(new Error("enough"));
      await expect(backUpStore(dir, target, gone)).rejects.toThrow("enough");
    }
    expect(readdirSync(parent).sort()).toEqual(["empty", "file.tar", "there"]);
    expect(readdirSync(empty)).toEqual([]);
    await backUpStore(dir, empty);
    await restoreStore(empty, join(parent, "exchange"));
  });

  it("backup - a target that cannot be made is told with its path", async () => {
    const { dir } = await killed();
    const file = place("file");
    writeFileSync(file, "");
    const target = join(file, "backup");
    await expect(backUpStore(dir, target)).rejects.toMatchObject({
      code: "STORE_WRITE_FAILED",
      message: expect.stringContaining(`at ${target}: `),
    });
  });

  it("backup - only its owner may read it, wherever it is put", async () => {
    const { dir } = await killed();
    const open = place("open");
    mkdirSync(open);
    chmodSync(open, 0o755);
    await backUpStore(dir, open);
    const file = place("file.tar");
    await backUpStore(dir, file);
    const paths = ["data.mdb", "backup.json", "journal/0000000001.journal"];
    for (const path of [...paths.map((name) => join(open, name)), file])
      expect(statSync(path).mode & 0o077, path).toBe(0);
  });

  it("backup - damage of the file is told, and is no backup", async () => {
    const { dir } = await killed();
    const path = join(dir, "data.mdb");
    const bytes = readFileSync(path);
    // A page behind the metas says that it is another one.
    for (let at = 2 * PAGE_BYTES; at < bytes.length; at += PAGE_BYTES) bytes.writeUInt8(0xee, at);
    writeFileSync(path, bytes);
    const target = place("target");
    await expect(backUpStore(dir, target)).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    expect(() => statSync(target)).toThrow();
  });

  it("backup - a page that LMDB has lost, which is no damage, is in nobody's way", async () => {
    const { dir, ledger } = await killed();
    const descriptor = openSync(join(dir, "data.mdb"), "r+");
    const bytes = readFileSync(descriptor);
    for (const meta of [0, PAGE_BYTES]) {
      const at = meta + LAST_PAGE_AT;
      bytes.writeUInt32LE(bytes.readUInt32LE(at) + 1, at);
    }
    writeFileSync(join(dir, "data.mdb"), bytes);
    ftruncateSync(descriptor, bytes.length + PAGE_BYTES);
    closeSync(descriptor);
    const target = place("target");
    await backUpStore(dir, target);
    const restored = join(temporaryDirectory(), "exchange");
    await restoreStore(target, restored);
    expect(await loaded(await openStore(restored))).toEqual(ledger.state);
  });
});
