import { closeSync, fstatSync, readdirSync } from "node:fs";
import { Socket } from "node:net";
import { MessageChannel, type MessagePort, type Transferable } from "node:worker_threads";

/**
 * Hands accepted, untouched sockets from the main thread to a shard's thread.
 *
 * Two ways, chosen by a feature test: where Node can transfer a `net.Socket` it is transferred.
 * Elsewhere main sends the descriptor's number and keeps the socket; the shard duplicates the
 * descriptor and makes a socket of the duplicate, in one turn of its loop, and acknowledges; main
 * closes the original then, or on the shard's death. So a descriptor has exactly one owner at any
 * moment: what a dying shard had not taken is still main's, to be handed to another.
 */
export type SocketHandOffWay = "transfer" | "duplicate";

/** The socket inside a message: itself where it was transferred, else its descriptor's number. */
export type SocketInTransit = Socket | number;

/** Descriptors that are looked at where their limit is not known. */
const DESCRIPTORS_MAX = 65_536;

/** Where it was needed, and is there. */
let libc: typeof import("./native-sockets.js") | undefined;

async function loadLibc(): Promise<typeof import("./native-sockets.js")> {
  libc ??= await import("./native-sockets.js");
  return libc;
}

/** Libuv's handle of a socket or server; Node has no documented way to a descriptor's number. */
interface HasDescriptor {
  readonly _handle?: { readonly fd?: number } | null;
}

/** The descriptor's number, or undefined where the handle is closed or has none. */
export function descriptorOf(holder: object): number | undefined {
  const fd = (holder as HasDescriptor)._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}

/**
 * Posts `message(socket)` with the accepted socket to a shard.
 * Returns false where the socket has ended already and nothing was posted.
 */
export function sendSocket(
  way: SocketHandOffWay,
  port: { postMessage(message: unknown, transfer?: readonly Transferable[]): void },
  socket: Socket,
  message: (socket: SocketInTransit) => object,
): boolean {
  const fd = descriptorOf(socket);
  if (fd === undefined) return false;
  if (way === "transfer") {
    // The types of this Node version do not know that sockets are transferable.
    port.postMessage(message(socket), [socket as unknown as MessagePort]);
  } else {
    port.postMessage(message(fd));
  }
  return true;
}

/** Makes the shard's own socket of one that arrived. What it receives waits until it is read. */
export type TakeSocket = (socket: SocketInTransit) => Socket;

/** The receiving side of `way`; loads what it needs. */
export async function createSocketReceiver(way: SocketHandOffWay): Promise<TakeSocket> {
  if (way === "transfer") return (socket) => socket as Socket;
  const { duplicateDescriptor } = await loadLibc();
  return (inTransit) => {
    const fd = duplicateDescriptor(inTransit as number);
    try {
      return new Socket({ fd, readable: true, writable: true });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  };
}

/**
 * Closes what a thread has left of its duplicates of `sockets`, which main still has: it may have been
 * ended between the duplication and the making of the socket that would own the duplicate. For use
 * once the thread has exited, which closes all that it did own, and before the sockets are handed on.
 */
export function closeStrayDuplicates(sockets: readonly Socket[]): void {
  const originals = new Set(sockets.map(descriptorOf));
  const files = new Set([...originals].map(fileOf));
  for (const fd of descriptorsOf(files)) {
    if (originals.has(fd)) continue;
    try {
      closeSync(fd);
    } catch {
      // It is closed by now.
    }
  }
}

/**
 * Ends the connections whose open files are given, whoever holds their descriptors: for those of a
 * thread that does not end. Resolves with how many descriptors there were; rejects where libc cannot
 * be called.
 */
export async function cutConnections(files: ReadonlySet<string>): Promise<number> {
  const { shutdownSocket } = await loadLibc();
  let cut = 0;
  for (const fd of openDescriptors()) {
    // Looked at when it is cut: a thread that ends after all has its numbers given to others.
    if (!files.has(fileOf(fd) ?? "")) continue;
    shutdownSocket(fd);
    cut++;
  }
  return cut;
}

/** Tells open files apart; undefined for a descriptor that is closed, or whose file has no number. */
export function fileOf(fd: number | undefined): string | undefined {
  if (fd === undefined) return undefined;
  try {
    const { dev, ino } = fstatSync(fd);
    return ino === 0 ? undefined : `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** The process's descriptors of open files. */
function descriptorsOf(files: ReadonlySet<string | undefined>): number[] {
  const known = [...files].filter((file) => file !== undefined);
  if (known.length === 0) return [];
  return openDescriptors().filter((fd) => {
    const file = fileOf(fd);
    return file !== undefined && files.has(file);
  });
}

/** All descriptors that may be open. */
function openDescriptors(): number[] {
  try {
    return readdirSync("/dev/fd").map(Number);
  } catch {
    // To read the directory takes a descriptor, and there may be none left: then most are open.
    const limit = libc?.descriptorLimit() ?? DESCRIPTORS_MAX;
    return Array.from({ length: limit }, (_, fd) => fd).filter((fd) => libc?.isOpen(fd) ?? true);
  }
}

/**
 * The way this Node and platform offer.
 * Rejects with a clear error where there is neither: no transfer in Node and no koffi for libc.
 */
export async function findSocketHandOff(): Promise<SocketHandOffWay> {
  if (canTransferSockets()) return "transfer";
  try {
    await loadLibc();
    return "duplicate";
  } catch (cause) {
    throw new Error(
      `cannot hand sockets to other threads: Node ${process.version} transfers none (24.20 or later ` +
        `does), and on ${process.platform} descriptors could not be duplicated: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** Node tells a transferable in the wrong state (a socket never connected) from what it cannot transfer. */
function canTransferSockets(): boolean {
  const { port1, port2 } = new MessageChannel();
  const probe = new Socket();
  try {
    port1.postMessage(probe, [probe as unknown as MessagePort]);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "ERR_WORKER_HANDLE_NOT_TRANSFERABLE";
  } finally {
    probe.destroy();
    port1.close();
    port2.close();
  }
}
