import { parentPort, threadId } from "node:worker_threads";
import {
  type CounterSection,
  count,
  counterBlockOf,
  SHARD,
  THREAD,
} from "../../counters/counters.js";
import { createLogger } from "../../shared/log.js";
import { createSinkOpener } from "../../transport/open-sink.js";
import { createSocketReceiver } from "../../transport/socket-hand-off.js";
import type { ShardTask, ThreadLoaded } from "../messages.js";
import { Shard } from "./shard.js";

parentPort?.postMessage({ threadId } satisfies ThreadLoaded);

/** The piscina task of a shard: runs for as long as the thread lives, until main closes the port. */
export async function runShard(task: ShardTask): Promise<void> {
  const section = counterBlockOf(task.counters).shards[task.shard] as CounterSection;
  const log = createLogger(task.log, { thread: `shard-${task.shard}` }, (lines) =>
    count(section, THREAD.logDropped, lines),
  );
  try {
    const takeSocket = await createSocketReceiver(task.handOff);
    const openSink = await createSinkOpener(task.options.nativeSend, {
      native: () => count(section, SHARD.nativeSends),
      ordinary: () => count(section, SHARD.ordinarySends),
    });
    await new Shard(task, takeSocket, openSink, log).run();
  } catch (error) {
    log.error({ err: error }, "the shard failed");
    // With the thread goes whatever it has opened already.
    process.exit(1);
  }
}
