// Preloaded into a server's process (--import): has single threads end as if they had died, told to by
// the test over IPC: { restartShard: number } and { restartProducer: true },
// { restartArchivist: true }, { restartRelay: true }; or get stuck, { stallArchivist: true }.
import { BroadcastChannel, isMainThread, MessagePort, workerData } from "node:worker_threads";

const channel = new BroadcastChannel("thread-ends");
channel.unref();

if (isMainThread) {
  process.on("message", (command) => channel.postMessage(command));
  process.channel?.unref();
} else if (workerData?.archivist === true) {
  channel.onmessage = ({ data }) => {
    if (data.restartArchivist) process.exit(1);
    if (data.stallArchivist) for (;;);
  };
} else if (workerData?.prefix !== undefined) {
  channel.onmessage = ({ data }) => {
    if (data.restartRelay) process.exit(1);
  };
} else if (workerData?.feed !== undefined) {
  channel.onmessage = ({ data }) => {
    if (data.restartProducer) process.exit(1);
  };
} else {
  // Which shard a thread of the pool is comes with its task.
  let shard;
  const { on } = MessagePort.prototype;
  MessagePort.prototype.on = function (event, listener) {
    const looking = (message) => {
      shard ??= message.task?.shard;
      return listener.call(this, message);
    };
    return on.call(this, event, event === "message" ? looking : listener);
  };
  channel.onmessage = ({ data }) => {
    if (shard !== undefined && data.restartShard === shard) process.exit(1);
  };
}
