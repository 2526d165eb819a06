import { createLogger } from "../../shared/log.js";
import { createSocketReceiver } from "../../shared/socket-hand-off.js";
import type { ShardTask } from "../messages.js";
import { Shard } from "./shard.js";

/** The piscina task of a shard: runs for as long as the thread lives, until main closes the port. */
export async function runShard(task: ShardTask): Promise<void> {
  const log = createLogger(task.log, { thread: `shard-${task.shard}` });
  const takeSocket = await createSocketReceiver(task.handOff);
  await new Shard(task, takeSocket, log).run();
}
