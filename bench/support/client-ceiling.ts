import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { BaselineReply } from "../baselines/baseline-messages.js";
import { nextMessage, waitForExit } from "./child.js";
import { LoadClient } from "./load-client-process.js";
import { progress } from "./progress.js";
import { seconds } from "./wait.js";

const BLASTER = fileURLToPath(new URL("../baselines/blaster.js", import.meta.url));
const SAMPLE_EVERY = 997;
/** Few, as each of them can hold megabytes in the kernel, all of which are read before anything else. */
const CONNECTIONS = 100;
const WARMUP_SECONDS = 1;
const CONNECT_TIMEOUT_MS = 10_000;

/** Frames a second that the load client counts when a server merely writes them: its own limit. */
export async function measureClientCeiling(
  messageBytes: number,
  windowSeconds: number,
): Promise<number> {
  progress("load client: its own ceiling");
  const blaster = fork(BLASTER, [String(messageBytes)]);
  const client = LoadClient.start();
  try {
    const reply = await nextMessage<BaselineReply>(blaster);
    if (reply.kind !== "listening") throw new Error("the blaster did not listen");
    await client.open({
      port: reply.port,
      path: "/",
      count: CONNECTIONS,
      until: "upgrade",
      timeoutMs: CONNECT_TIMEOUT_MS,
    });
    await seconds(WARMUP_SECONDS);
    await client.interval(SAMPLE_EVERY);
    await seconds(windowSeconds);
    const interval = await client.interval(SAMPLE_EVERY);
    return interval.frames / interval.seconds;
  } finally {
    await client.stop();
    blaster.disconnect();
    await waitForExit(blaster);
  }
}
