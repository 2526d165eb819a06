import { writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Socket } from "node:net";
import { CodedError } from "../shared/coded-error.js";
import { printable } from "./message-lines.js";

/*
 * Where all that commands print goes through. Node's own ways would hide what fails: `console.log`
 * swallows errors, and the stream of a file takes a part that was written for the whole.
 */

// Beyond a limit on the size of files a write fails, rather than ending the process, if this is caught.
if (process.platform !== "win32") process.on("SIGXFSZ", () => {});

let readerGone = false;

/** Thrown where output cannot be written; the message is for the user, exit code 1. */
export class OutputError extends CodedError<"OUTPUT_FAILED"> {
  /** @param what such as `standard output`; `more` is said behind the reason */
  constructor(what: string, cause: unknown, more?: string) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const text = `${what} cannot be written: ${reason}`;
    super("OUTPUT_FAILED", more === undefined ? text : `${text}; ${more}`, { cause });
  }
}

async function write(
  stream: NodeJS.WriteStream & { readonly fd: number },
  text: string,
): Promise<void> {
  const { fd } = stream;
  // Whoever writes is told by the write itself.
  if (stream.listenerCount("error") === 0) stream.on("error", () => {});
  if (!(stream instanceof Socket)) {
    writeFileSync(fd, text);
    return;
  }
  await new Promise<void>((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Writes to standard output, as it is given. Resolves when it is out: with false where nobody reads any
 * more, which is no failure. Rejects with OutputError.
 */
export async function print(text: string): Promise<boolean> {
  if (readerGone) return false;
  try {
    await write(process.stdout, text);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE"))
      throw new OutputError("standard output", error);
    readerGone = true;
  }
  return !readerGone;
}

/**
 * Tells the user a line, on standard error, beside the data on standard output. Resolves when it is
 * out; with false where it cannot be written, which there is nobody to tell of.
 */
export async function tell(text: string): Promise<boolean> {
  return write(process.stderr, `marketcast: ${printable(text)}\n`).then(
    () => true,
    () => false,
  );
}

/** A file that a command writes. */
export class OutputFile {
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Opens a file, which is made with these permissions or emptied. Rejects with OutputError, as all its
   * methods do.
   */
  static async open(path: string, mode = 0o666): Promise<OutputFile> {
    return new OutputFile(path, await written(path, open(path, "w", mode)));
  }

  /** Adds to what is written. */
  write(text: string): Promise<void> {
    return written(this.#path, this.#file.writeFile(text));
  }

  close(): Promise<void> {
    return written(this.#path, this.#file.close());
  }
}

function written<T>(path: string, writing: Promise<T>): Promise<T> {
  return writing.catch((error: unknown) => {
    throw new OutputError(`the file ${path}`, error);
  });
}
