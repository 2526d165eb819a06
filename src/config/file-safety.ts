import { lstat, realpath, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/** What a file is to the server, which says what others may do with it. */
export type FileRole =
  /** Others may not read it, nor put in what they like. */
  | "secret"
  /** Others may read it, and not put in what they like. */
  | "trusted"
  /** As `trusted`; the server makes files in it. It need not be there yet. */
  | "directory";

const ANYBODY_WRITES = 0o002;
const OTHERS_READ_OR_WRITE = 0o077;
/** In a directory with it, nobody takes away or replaces what is another's. */
const STICKY = 0o1000;

function octal(mode: number): string {
  return (mode & 0o7777).toString(8);
}

/** The user that the process acts for; undefined on Windows, where access lists count instead. */
function ownUser(): number | undefined {
  return process.geteuid?.();
}

/** Whether the user with that number could do anyway whatever the file allows it to. */
function isTrusted(owner: number, user: number): boolean {
  return owner === user || owner === 0;
}

/** The directories above a path, the nearest first. */
function above(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...above(parent)];
}

/** Undefined where there is nothing, or nothing that this process may look at. */
async function quietly<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch {
    return undefined;
  }
}

/** Directories above a path in which anybody could put something else in its place. */
async function openDirectories(path: string): Promise<string[]> {
  const real = (await quietly(realpath(path))) ?? path;
  const dangers: string[] = [];
  for (const directory of new Set([...above(path), ...above(real)])) {
    const mode = (await quietly(stat(directory)))?.mode ?? 0;
    if ((mode & ANYBODY_WRITES) !== 0 && (mode & STICKY) === 0) {
      dangers.push(
        `anybody may replace it, as ${directory} has mode ${octal(mode)}; run: chmod o-w ${directory}`,
      );
    }
  }
  return dangers;
}

function modeDanger(path: string, mode: number, role: FileRole): string | undefined {
  if (role === "secret") {
    return (mode & OTHERS_READ_OR_WRITE) === 0
      ? undefined
      : `others may read or change it, as it has mode ${octal(mode)}; run: chmod 600 ${path}`;
  }
  return (mode & ANYBODY_WRITES) === 0
    ? undefined
    : `anybody may write to it, as it has mode ${octal(mode)}; run: chmod o-w ${path}`;
}

/**
 * What others could do to the server by a file or directory that it relies on: its owner, its mode,
 * those of a link to it, and the directories above. Empty where all is well, where there is nothing
 * at that path, and on Windows.
 */
export async function fileDangers(
  name: string,
  role: FileRole,
  user: number | undefined = ownUser(),
): Promise<string[]> {
  if (user === undefined) return [];
  const path = resolve(name);
  const [link, target] = await Promise.all([quietly(lstat(path)), quietly(stat(path))]);
  const dangers: string[] = [];
  for (const owner of new Set([link?.uid, target?.uid])) {
    if (owner !== undefined && !isTrusted(owner, user)) {
      dangers.push(
        `it is owned by user ${owner}, neither root nor the user ${user} who runs the server; run: chown ${user} ${path}`,
      );
    }
  }
  const danger = target && modeDanger(path, target.mode, role);
  if (danger !== undefined) dangers.push(danger);
  if (target !== undefined || role === "directory") dangers.push(...(await openDirectories(path)));
  return dangers.map((one) => `${name}: ${one}`);
}
