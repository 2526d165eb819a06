import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** The next message a child sends over IPC; rejects where it ends before, or has ended. */
export async function nextMessage<T>(child: ChildProcess): Promise<T> {
  if (hasEnded(child)) throw endOf(child);
  const abort = new AbortController();
  const ended = once(child, "exit", abort).then(() => {
    throw endOf(child);
  });
  ended.catch(() => undefined);
  try {
    const [message] = await Promise.race([once(child, "message", abort), ended]);
    return message as T;
  } finally {
    abort.abort();
  }
}

export async function waitForExit(child: ChildProcess): Promise<void> {
  if (!hasEnded(child)) await once(child, "exit");
}

/** Asks a child to end, and ends it the hard way where it has not within `graceMs`. */
export async function endChild(child: ChildProcess, graceMs = 5000): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  child.kill("SIGTERM");
  await waitForExit(child);
  clearTimeout(timer);
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function endOf(child: ChildProcess): Error {
  const what = child.spawnargs.slice(1, 3).join(" ");
  return new Error(`${what} ended with ${child.signalCode ?? `code ${child.exitCode}`}`);
}
