/*
 * Preloaded (`--expose-gc --import`) into every thread of a server under test. On the IPC message
 * "gc" the main thread has each thread collect its garbage and answers with how many did.
 */
import { isMainThread } from "node:worker_threads";

const CHANNEL = "bench-gc";
const ANSWERS_DUE_MS = 1000;
/** The second frees what finalizers of the first released. */
const PASSES = 2;

interface GcAnswer {
  readonly collected: number;
}

function collect(): void {
  for (let pass = 0; pass < PASSES; pass++) globalThis.gc?.();
}

function serveMainThread(): void {
  process.on("message", (message) => {
    if (message !== "gc") return;
    let collected = 1;
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = ({ data }) => {
      if (data === "collected") collected++;
    };
    channel.postMessage("collect");
    collect();
    setTimeout(() => {
      channel.close();
      process.send?.({ collected } satisfies GcAnswer);
    }, ANSWERS_DUE_MS);
  });
  // The listener must not keep a server alive that is done.
  process.channel?.unref();
}

function serveWorker(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => {
    if (data !== "collect") return;
    collect();
    channel.postMessage("collected");
  };
  channel.unref();
}

if (isMainThread) serveMainThread();
else serveWorker();
