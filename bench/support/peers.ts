import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { uwsBinaryName } from "../baselines/uws-binary.js";

const PEERS = ["@trufflesuite/uws-js-unofficial", "ws"] as const;

/** The peers' packages in the very versions that are installed, uWebSockets.js with its binary. */
export function peerVersions(): Readonly<Record<string, string>> {
  return Object.fromEntries(PEERS.map((name) => [name, installedVersion(name)]));
}

function installedVersion(name: (typeof PEERS)[number]): string {
  const entry = createRequire(import.meta.url).resolve(name);
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = readManifest(join(folder, "package.json"));
    if (manifest?.name !== name) continue;
    return name === "ws" ? manifest.version : `${manifest.version} (${uwsBinaryName()})`;
  }
  throw new Error(`${name} has no package.json`);
}

function readManifest(path: string): { name: string; version: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
