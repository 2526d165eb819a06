import type { Socket } from "node:net";

/** Libuv's handle of a socket; Node has no documented way to stop reading at once. */
interface HasHandle {
  readonly _handle?: { reading?: boolean; readStop?(): number } | null;
}

/**
 * Has a socket read nothing more until {@link startReading}. `pause()` would let it read on until its
 * buffer is full.
 */
export function stopReading(socket: Socket): void {
  const handle = (socket as HasHandle)._handle;
  if (handle?.reading !== true) return;
  // As Node itself does when the buffer is full.
  handle.reading = false;
  handle.readStop?.();
}

/** Has a socket read again, whether or not its stream believes that it does already. */
export function startReading(socket: Socket): void {
  if (!socket.destroyed) socket._read(0);
}
