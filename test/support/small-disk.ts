import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "./trading.js";

const DISK = "size=24m";

export interface SmallDisk {
  readonly path: string;
  /** Leaves no byte free. */
  readonly fill: () => Promise<void>;
  readonly free: () => Promise<void>;
  readonly unmount: () => Promise<void>;
}

/** A small disk of its own; undefined where it may not be mounted. */
export async function mountDisk(): Promise<SmallDisk | undefined> {
  const folder = await temporaryDirectory();
  const path = join(folder.path, "disk");
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", DISK, "tmpfs", path], { stdio: "ignore" });
  } catch {
    await folder.remove();
    return undefined;
  }
  const filler = join(path, "filler");
  return {
    path,
    fill: async () => {
      const { bavail, bsize } = await statfs(path);
      // The server may take some of it meanwhile.
      await writeFile(filler, Buffer.alloc(bavail * bsize)).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code !== "ENOSPC") throw error;
        },
      );
    },
    free: () => rm(filler),
    unmount: async () => {
      execFileSync("umount", [path]);
      await folder.remove();
    },
  };
}
