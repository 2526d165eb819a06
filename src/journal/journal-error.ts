import { CodedError } from "../shared/coded-error.js";

type JournalErrorCode =
  /** What is on disk is not what was written. */
  | "JOURNAL_DAMAGED"
  /** Records are asked for that the journal has no more, or never had. */
  | "JOURNAL_GAP"
  /** Written by a version of Marketcast that this one does not know. */
  | "JOURNAL_VERSION"
  /** The directory or a file in it cannot be opened, read or listed. */
  | "JOURNAL_UNREADABLE"
  /** A write failed, or there is no room for one. It can be tried again. */
  | "JOURNAL_WRITE_FAILED"
  /** A segment that is still needed is gone from the directory, while it was in use. */
  | "JOURNAL_SEGMENT_MISSING"
  /** A payload is larger than a segment holds. */
  | "JOURNAL_RECORD_TOO_LARGE";

/** Thrown where a journal cannot do what it is asked; the message names the path and what to do. */
export class JournalError extends CodedError<JournalErrorCode> {
  /**
   * Of an append that failed: whether its record may be found when the journal is opened the next time,
   * because the disk did not take back what it may have got of it. Never true once a later append or a
   * probe has succeeded.
   */
  readonly maybeStored: boolean;

  constructor(
    code: JournalErrorCode,
    message: string,
    options: ErrorOptions & { readonly maybeStored?: boolean } = {},
  ) {
    super(code, message, options);
    this.maybeStored = options.maybeStored ?? false;
  }
}

/** The error for a file in which something is not as it must be. */
export function damaged(path: string, offset: number, what: string): JournalError {
  return new JournalError(
    "JOURNAL_DAMAGED",
    `${path} is damaged at byte ${offset}: ${what}; restore the data directory from a backup`,
  );
}

/** The error for a directory or file that cannot be read; a JournalError as it is. */
export function unreadable(path: string, cause: unknown): JournalError {
  if (cause instanceof JournalError) return cause;
  const message = `${path} cannot be read: ${reasonOf(cause)}; see to its owner and mode, and to the disk`;
  return new JournalError("JOURNAL_UNREADABLE", message, { cause });
}

/** The error for a write that failed; a JournalError as it is. */
export function writeFailed(path: string, cause: unknown): JournalError {
  if (cause instanceof JournalError) return cause;
  return new JournalError(
    "JOURNAL_WRITE_FAILED",
    `${path} cannot be written: ${reasonOf(cause)}; ${remedyOf(codeOf(cause))}`,
    { cause },
  );
}

/** The error for a segment that is gone, though its records are in no tree yet. */
export function segmentMissing(path: string, what: string): JournalError {
  return new JournalError("JOURNAL_SEGMENT_MISSING", `${path} is gone: ${what}`);
}

/** The `code` of an error of Node. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

function remedyOf(code: string | undefined): string {
  if (code === "ENOSPC" || code === "EDQUOT") return "free or add disk space";
  if (code === "EROFS" || code === "EACCES" || code === "EPERM")
    return "see to its owner and mode, and to how its file system is mounted";
  if (code === "ENOENT") return "see who moved or removed it";
  return "see to the disk";
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
