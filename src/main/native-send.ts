import type { Logger } from "../shared/log.js";
import { nativeSendFault } from "../transport/open-sink.js";

/**
 * Whether shards are to send past Node's streams: where it is wanted and can be done. The log is told why it
 * cannot, once for all shards and all their restarts.
 */
export async function sendsNatively(wanted: boolean, log: Pick<Logger, "info">): Promise<boolean> {
  if (!wanted) return false;
  const fault = await nativeSendFault();
  if (fault !== undefined)
    log.info({ reason: fault.message }, "everything is sent through Node's streams");
  return fault === undefined;
}
