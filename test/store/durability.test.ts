import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openStore, temporaryDirectory } from "./directories.js";
import { ChangeLedger, engineRun, take } from "./engine-run.js";

const MKFS = "/usr/sbin/mkfs.ext4";
const IMAGE_BYTES = 32 * 1024 * 1024;

/** Mounting takes root, on Linux. */
const mayMount =
  process.platform === "linux" && process.getuid?.() === 0 && existsSync(MKFS) && hasLoopDevices();

function hasLoopDevices(): boolean {
  return existsSync("/dev/loop-control");
}

const mounted: string[] = [];
afterEach(() => {
  for (const dir of mounted.splice(0)) execFileSync("umount", ["--lazy", dir]);
});

function mount(image: string, name: string): string {
  const dir = join(temporaryDirectory(), name);
  mkdirSync(dir);
  execFileSync("mount", ["-o", "loop", image, dir]);
  mounted.push(dir);
  return dir;
}

describe.skipIf(!mayMount)("durability", () => {
  it("durability - what is acknowledged is on the disk, not in the memory of the kernel", async () => {
    const images = temporaryDirectory();
    const image = join(images, "disk");
    writeFileSync(image, "");
    truncateSync(image, IMAGE_BYTES);
    execFileSync(MKFS, ["-q", image]);
    const store = await openStore(join(mount(image, "disk"), "exchange"));
    const ledger = new ChangeLedger();
    for (const [index, changes] of take(engineRun(1, 20), 5).entries()) {
      await store.commit(changes);
      ledger.add(changes);
      // A copy of the disk behind the file system is what a loss of power would leave.
      const copy = join(images, `copy-${index}`);
      copyFileSync(image, copy);
      const after = await openStore(join(mount(copy, `copy-${index}`), "exchange"));
      const { openOrders, nextOrderId, nextTradeId } = await after.load();
      expect([...openOrders]).toEqual(ledger.state.openOrders);
      expect([nextOrderId, nextTradeId]).toEqual([ledger.nextOrderId, ledger.nextTradeId]);
      for (const order of ledger.orders.values()) {
        expect(after.order(order.orderId)).toEqual(order);
      }
      await after.close();
    }
    await store.close();
  });
});
