import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ByteSink } from "./byte-sink.js";
import { NativeSink } from "./native-sink.js";
import { NodeSink, type SendCounts } from "./node-sink.js";
import { descriptorOf } from "./socket-hand-off.js";

/** Makes the sink of a socket. */
export type OpenSink = (socket: Socket) => ByteSink;

/** Why nothing can be sent past streams here; undefined where it can be. */
export async function nativeSendFault(): Promise<Error | undefined> {
  try {
    await import("./native-sockets.js");
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

/**
 * Sinks that send past the stream where `native` says so and the socket allows it: one under TLS has a
 * descriptor as well, but what goes there is the stream's to encrypt. Rejects where `native` is set and
 * there is a {@link nativeSendFault}.
 */
export async function createSinkOpener(native: boolean, counts: SendCounts): Promise<OpenSink> {
  if (!native) return (socket) => new NodeSink(socket, counts);
  const { sendAtOnce } = await import("./native-sockets.js");
  return (socket) => {
    const fd = socket instanceof TLSSocket ? undefined : descriptorOf(socket);
    return fd === undefined
      ? new NodeSink(socket, counts)
      : new NativeSink(socket, fd, sendAtOnce, counts);
  };
}
