import { fork } from "node:child_process";
import { once } from "node:events";
import { open, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { StoreCopy } from "../../relay/journal/origin-copies.js";
import type { FollowedStore } from "../../store/followed-store.js";

const PROCESS = fileURLToPath(new URL("./store-copy-process.js", import.meta.url));

export interface CopyRequest {
  readonly dir: string;
  readonly target: string;
}

export type CopyOutcome =
  | { readonly type: "made" }
  | { readonly type: "failed"; readonly reason: string };

/**
 * Makes a copy of a store that a producer of this process has open, in a file beside it, as a backup is made; by a
 * process of its own, as LMDB opens a file once for all threads of one. One at a time.
 */
export async function copyStore(dir: string, source: FollowedStore): Promise<StoreCopy> {
  const target = `${dir}.relay-copy.tar`;
  await rm(target, { force: true });
  const child = fork(PROCESS, [], { execArgv: [], env: {}, stdio: "ignore" });
  try {
    child.send({ dir, target } satisfies CopyRequest);
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`the process that copies the store ended with ${code}`);
    });
    ended.catch(() => undefined);
    const [outcome] = (await Promise.race([once(child, "message"), ended])) as [CopyOutcome];
    if (outcome.type === "failed") throw new Error(outcome.reason);
  } finally {
    child.kill("SIGKILL");
  }
  await source.refresh();
  const { timelines } = source;
  const file = await open(target, "r");
  const { size } = await file.stat();
  return {
    size,
    timelines: [...timelines],
    read: async (offset, bytes) => {
      const piece = Buffer.alloc(Math.max(0, Math.min(bytes, size - offset)));
      await file.read(piece, 0, piece.length, offset);
      return piece;
    },
    remove: async () => {
      await file.close();
      await rm(target, { force: true });
    },
  };
}
