import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openComplete } from "../../src/store/open-complete.js";
import type { StoreError } from "../../src/store/store-error.js";
import { KEEP_ALL, openStore, temporaryDirectory } from "./directories.js";
import { byJson, ChangeLedger, engineRun, take } from "./engine-run.js";

/** Mounting takes root, on Linux. */
const mayMount = process.platform === "linux" && process.getuid?.() === 0;

let mounted: string | undefined;
afterEach(unmount);

function unmount(): void {
  if (mounted !== undefined) execFileSync("umount", ["--lazy", mounted]);
  mounted = undefined;
}

/** A file system of its own with that many MiB. */
function mountSmallDisk(mebibytes: number): string {
  const dir = join(temporaryDirectory(), "disk");
  mkdirSync(dir);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", dir]);
  mounted = dir;
  return dir;
}

describe.skipIf(!mayMount)("full disk", () => {
  it("full disk - a commit that does not fit leaves nothing, and later ones go on", async () => {
    // Room for all that the trees lack by then, at once, as soon as the ballast is gone.
    const disk = mountSmallDisk(140);
    const ballast = join(disk, "ballast");
    writeFileSync(ballast, Buffer.alloc(128 * 1024 * 1024));
    const store = await openStore(join(disk, "exchange"), KEEP_ALL);
    const changes = engineRun(1, 500);
    const stored = new ChangeLedger();

    let lost: Error | undefined;
    let refused = changes.next().value;
    for (let batch = 0; lost === undefined && batch < 1000; batch++) {
      lost = await store.commit(refused).then(
        () => undefined,
        (error: Error) => error,
      );
      if (lost !== undefined) break;
      stored.add(refused);
      refused = changes.next().value;
    }
    expect(lost).toMatchObject({
      code: "STORE_WRITE_FAILED",
      message: expect.stringMatching(
        /exchange\/(data\.mdb|journal\/\d+\.journal) cannot be written: .*([Nn]o space left|Input\/output error)/,
      ),
    });
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(store.probe()).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
      await expect(store.commit(refused)).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
    }
    const load = async () => {
      const { positions, totals, markets, ...rest } = await store.load();
      const lists = {
        positions: byJson(positions),
        totals: byJson(totals),
        markets: byJson(markets),
      };
      return { ...rest, ...lists };
    };
    expect(await load()).toEqual(stored.state);

    rmSync(ballast);
    await store.probe();
    await store.commit(refused);
    stored.add(refused);
    expect(await load()).toEqual(stored.state);
    await store.close();
    const again = await openStore(join(disk, "exchange"), KEEP_ALL);
    expect([...(await again.load()).openOrders]).toEqual(stored.state.openOrders);
  });

  it("full disk - what the trees cannot take of a journal is no whole store to who reads it", async () => {
    const disk = mountSmallDisk(40);
    const dir = join(disk, "exchange");
    const source = join(temporaryDirectory(), "exchange");
    const store = await openStore(source, KEEP_ALL);
    for (const changes of take(engineRun(5, 200), 20)) await store.commit(changes);
    // As a kill leaves it: all that was committed is in the journal alone.
    cpSync(source, dir, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    await store.close();
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, "ballast"), Buffer.alloc(bavail * bsize));
    await expect(openComplete(dir)).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
    rmSync(join(disk, "ballast"));
    await (await openComplete(dir)).close();
  });

  it("full disk - a pruning behind a commit that fails is not lost with it", async () => {
    const disk = mountSmallDisk(16);
    const store = await openStore(join(disk, "exchange"), { ...KEEP_ALL, maxStoredOrders: 0 });
    const changes = engineRun(6, 500);
    await store.commit(changes.next().value);
    const ballast = join(disk, "ballast");
    expect(() => writeFileSync(ballast, Buffer.alloc(16 * 1024 * 1024))).toThrow("ENOSPC");
    for (let failed = false; !failed; ) {
      const commit = store.commit(changes.next().value);
      const pruning = store.prune(0);
      const [committed, pruned] = await Promise.allSettled([commit, pruning]);
      failed = committed.status === "rejected";
      // It removes little, and finds room for it or says that there is none.
      if (pruned.status === "rejected") {
        expect(pruned.reason).toMatchObject({ code: "STORE_WRITE_FAILED" });
      }
    }
    rmSync(ballast);
    await store.commit(changes.next().value);
    await store.prune(0);
    expect(await store.prune(0)).toBe(0);
  });

  it("full disk - a store that cannot be made leaves no half of one, wherever it ends", async () => {
    const codes = [];
    for (const pages of [0, 1, 2, 4, 8, 64, 255, 256, 258, 300]) {
      const disk = mountSmallDisk(2);
      const ballast = join(disk, "ballast");
      writeFileSync(ballast, Buffer.alloc((512 - pages) * 4096));
      const dir = join(disk, "exchange");
      const opening = openStore(dir);
      codes.push(
        await opening.then(
          () => "made",
          (error: StoreError) => error.code,
        ),
      );
      if (codes.at(-1) === "made") await (await opening).close();
      rmSync(ballast);
      const store = await openStore(dir);
      expect((await store.load()).nextOrderId).toBe(1);
      await store.close();
      unmount();
    }
    expect(new Set(codes)).toEqual(new Set(["STORE_WRITE_FAILED", "made"]));
  });

  it("full disk - a store is not opened without room for what LMDB keeps beside it", async () => {
    const disk = mountSmallDisk(2);
    const dir = join(disk, "exchange");
    await (await openStore(dir)).close();
    rmSync(join(dir, "lock.mdb"));
    const ballast = join(disk, "ballast");
    expect(() => writeFileSync(ballast, Buffer.alloc(2 * 1024 * 1024))).toThrow("ENOSPC");
    await expect(openStore(dir)).rejects.toMatchObject({
      code: "STORE_WRITE_FAILED",
      message: expect.stringMatching(/exchange has no room for the store: ENOSPC.*; free or add /),
    });
    rmSync(ballast);
    await openStore(dir);
  });
});
