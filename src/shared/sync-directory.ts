import { open } from "node:fs/promises";

/** Makes names that were given or taken away in a directory durable, where directories can be flushed. */
export async function syncDirectory(dir: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(dir, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
