import { JournalError } from "../journal/journal-error.js";
import { CodedError } from "../shared/coded-error.js";

export type StoreErrorCode =
  /** Another server has the store open. */
  | "STORE_LOCKED"
  /** What is on disk is not what was written. */
  | "STORE_DAMAGED"
  /** Written by a version of Marketcast that this one does not know. */
  | "STORE_VERSION"
  /** There was no room to open the store; or a write failed, and nothing of it is in the store. */
  | "STORE_WRITE_FAILED"
  /** The directory or a file in it cannot be opened, read or made. */
  | "STORE_UNREADABLE"
  /** A store or a backup is to be written where something is already. */
  | "STORE_EXISTS"
  /** Another node's store has, or may have, what this one lacks. */
  | "STORE_BEHIND";

/** Thrown where a store cannot do what it is asked; the message names the path and what to do. */
export class StoreError extends CodedError<StoreErrorCode> {
  /** Of a write that failed: what it wrote may be found when the store is opened the next time. */
  get maybeStored(): boolean {
    return this.cause instanceof JournalError && this.cause.maybeStored;
  }
}

/** The reason that an error of Node or of LMDB gives. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error of Node says that the disk, or the owner's share of it, is full. */
export function isNoRoom(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "ENOSPC" || error.code === "EDQUOT";
}

/** The error for a file or directory in which something is not as it must be. */
export function damaged(path: string, what: string, options?: ErrorOptions): StoreError {
  const message = `${path} is damaged: ${what}; restore it from a backup`;
  return new StoreError("STORE_DAMAGED", message, options);
}
