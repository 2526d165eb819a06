import { koffi } from "../shared/koffi.js";

/*
 * The calls of libc for sockets that Node does not offer, through koffi. Importing this module fails
 * where koffi or a constant of the platform is missing.
 */

const CONSTANTS = {
  linux: {
    dupCloexec: 1030,
    solSocket: 1,
    soSndbuf: 7,
    soRcvbuf: 8,
    tcpNotsentLowat: 25,
    /** MSG_DONTWAIT | MSG_NOSIGNAL */
    sendFlags: 0x40 | 0x4000,
  },
  darwin: {
    dupCloexec: 67,
    solSocket: 0xffff,
    soSndbuf: 0x1001,
    soRcvbuf: 0x1002,
    tcpNotsentLowat: 0x201,
    /** MSG_DONTWAIT; older systems have no MSG_NOSIGNAL, and Node ignores SIGPIPE in the whole process. */
    sendFlags: 0x80,
  },
} as const;
const IPPROTO_TCP = 6;
const SHUT_RDWR = 2;
const F_GETFD = 1;

const constants = CONSTANTS[process.platform as keyof typeof CONSTANTS];
if (constants === undefined) throw new Error(`no descriptor duplication on ${process.platform}`);

const libc = koffi.load(null);
const fcntl = libc.func("int fcntl(int fd, int command, ...)");
const getdtablesize = libc.func("int getdtablesize()");
const shutdown = libc.func("int shutdown(int fd, int how)");
const send = libc.func("intptr_t send(int fd, const void *bytes, size_t length, int flags)");
const setsockopt = libc.func(
  "int setsockopt(int fd, int level, int name, const int *value, uint32_t length)",
);

/** A new descriptor of the same open file, closed on exec. Throws with the errno on failure. */
export function duplicateDescriptor(fd: number): number {
  const duplicate: number = fcntl(fd, constants.dupCloexec, "int", 0);
  if (duplicate < 0)
    throw new Error(`fcntl(${fd}, F_DUPFD_CLOEXEC) failed with errno ${koffi.errno()}`);
  return duplicate;
}

/** How many descriptors the process may have: their numbers are below it. */
export function descriptorLimit(): number {
  return getdtablesize();
}

export function isOpen(fd: number): boolean {
  return fcntl(fd, F_GETFD, "int", 0) >= 0;
}

/**
 * Sends what the socket takes of the first `length` bytes without waiting. Returns how many those are, or -1 where it takes
 * none or cannot be written to; the errno is left alone, as to ask for it costs and whoever writes the rest
 * to the socket's stream is told there.
 */
export function sendAtOnce(fd: number, bytes: Buffer, length: number): number {
  return send(fd, bytes, length, constants.sendFlags);
}

/** Ends a connection in both directions, whoever holds its descriptor; one that has ended stays so. */
export function shutdownSocket(fd: number): void {
  shutdown(fd, SHUT_RDWR);
}

/**
 * Bounds what the kernel queues for a slow reader: `bytes` of send buffer, and a quarter of it not
 * yet sent. Set on a listening socket it holds for every connection that it accepts.
 */
export function boundSendBuffer(fd: number, bytes: number): void {
  setOption(fd, constants.solSocket, constants.soSndbuf, bytes);
  setOption(fd, IPPROTO_TCP, constants.tcpNotsentLowat, Math.max(4096, bytes >>> 2));
}

/**
 * Bounds what the kernel keeps of a client that is not read. Set on a listening socket it holds for every
 * connection that it accepts.
 */
export function boundReceiveBuffer(fd: number, bytes: number): void {
  setOption(fd, constants.solSocket, constants.soRcvbuf, bytes);
}

function setOption(fd: number, level: number, name: number, value: number): void {
  const failed: number = setsockopt(fd, level, name, [value], 4);
  if (failed !== 0)
    throw new Error(`setsockopt(${fd}, ${level}, ${name}) failed with errno ${koffi.errno()}`);
}
