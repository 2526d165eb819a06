import { createHash, randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { readdir, realpath, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isNoRoom, reasonOf, StoreError } from "./store-error.js";

/** Two that start at the same moment both give way; waits of different lengths part them. */
const ATTEMPTS = 10;
const WAIT_MS_MIN = 20;
const WAIT_MS_MAX = 100;
/** Longest path of a socket, in bytes, on the systems where it is used in full. */
const SOCKET_PATH_BYTES_MAX = 103;
const OWNER = /^owner-[0-9a-f]{12}\.sock$/;

/**
 * Holds a directory for one owner at a time, as a thread that listens on a socket in it. The kernel
 * closes the socket with the thread or the process, however that ends, so there is no lock that stays
 * behind and no process id to be mistaken; and a socket in the directory is found by everyone who
 * shares it, from another container too.
 *
 * Announce, then look: an owner first listens, under a name of its own, and then connects to all
 * others. Of any two, the one that listened later sees the other and gives way. What refuses a
 * connection is the socket of a dead one, and cannot come to life again.
 */
export class StoreLock {
  readonly #server: Server;
  readonly #free: () => Promise<void>;

  private constructor(server: Server, free: () => Promise<void>) {
    this.#server = server;
    this.#free = free;
  }

  /**
   * Rejects with STORE_LOCKED where another one holds the directory, which must exist; and with Node's
   * error where there is no room for a socket in it.
   */
  static async acquire(dir: string): Promise<StoreLock> {
    for (let attempt = 1; ; attempt++) {
      const lock =
        process.platform === "win32" ? await StoreLock.#pipe(dir) : await StoreLock.#socket(dir);
      if (lock !== undefined) return lock;
      if (attempt === ATTEMPTS) {
        throw new StoreError(
          "STORE_LOCKED",
          `${dir} is in use by another server; stop it, or choose another --data-dir`,
        );
      }
      await sleep(WAIT_MS_MIN + Math.random() * (WAIT_MS_MAX - WAIT_MS_MIN));
    }
  }

  async release(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#free();
  }

  static async #socket(dir: string): Promise<StoreLock | undefined> {
    const addresses = new SocketAddresses(dir);
    const name = `owner-${randomBytes(6).toString("hex")}.sock`;
    const server = await listen(addresses.of(name)).catch((error: unknown) => {
      addresses.close();
      if (isNoRoom(error)) throw error;
      throw new StoreError(
        "STORE_UNREADABLE",
        `${dir} cannot hold the lock, a local socket: ${reasonOf(error)}; choose a --data-dir on a local file system that may be written`,
        { cause: error },
      );
    });
    const lock = new StoreLock(server, async () => {
      // By the descriptor, where there is one: the directory may have another name by now.
      await rm(addresses.of(name), { force: true });
      addresses.close();
    });
    const others = (await readdir(dir)).filter((file) => OWNER.test(file) && file !== name);
    const alive = await Promise.all(others.map((file) => isAlive(addresses.of(file))));
    if (alive.includes(true)) {
      await lock.release();
      return undefined;
    }
    for (const file of others) await rm(join(dir, file), { force: true });
    return lock;
  }

  /** Windows has no sockets in directories that Node can use; its pipe names are exclusive. */
  static async #pipe(dir: string): Promise<StoreLock | undefined> {
    const hash = createHash("sha256").update((await realpath(dir)).toLowerCase());
    try {
      const server = await listen(`\\\\.\\pipe\\marketcast-${hash.digest("hex").slice(0, 32)}`);
      return new StoreLock(server, async () => {});
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
        return undefined;
      }
      throw error;
    }
  }
}

/**
 * The addresses of sockets in a directory. A socket's path has room for about a hundred bytes; on
 * Linux a directory of any name is reached by a short one, through a descriptor of it.
 */
class SocketAddresses {
  readonly #dir: string;
  readonly #descriptor: number | undefined;

  constructor(dir: string) {
    this.#descriptor = process.platform === "linux" ? openSync(dir, "r") : undefined;
    this.#dir = this.#descriptor === undefined ? dir : `/proc/self/fd/${this.#descriptor}`;
  }

  /** Throws StoreError where the address is too long. */
  of(name: string): string {
    const address = join(this.#dir, name);
    // Node would cut it off, and two directories might then have the same lock.
    if (Buffer.byteLength(address) > SOCKET_PATH_BYTES_MAX) {
      throw new StoreError(
        "STORE_UNREADABLE",
        `${address} is too long for the lock, a local socket: at most ${SOCKET_PATH_BYTES_MAX} bytes; choose a shorter --data-dir`,
      );
    }
    return address;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }
}

function listen(address: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    // Whoever connects only wants to know whether anybody is there.
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject);
    server.listen(address, () => {
      server.off("error", reject);
      server.unref();
      resolve(server);
    });
  });
}

/** Anything but a refusal counts as a sign of life: better no server than two. */
function isAlive(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}
