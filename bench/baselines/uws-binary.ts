import { createRequire } from "node:module";
import type * as uws from "@trufflesuite/uws-js-unofficial";

/** The binary's file for this platform and Node version, whether the package has it or not. */
export function uwsBinaryName(): string {
  return `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
}

/**
 * uWebSockets.js, or undefined where it has no binary for this platform and Node version.
 *
 * The binary is loaded by its own path: the package's entry puts a JavaScript imitation in its place
 * where it cannot, and that is not what is to be measured.
 */
export function loadUws(): Pick<typeof uws, "App" | "us_socket_local_port"> | undefined {
  try {
    return createRequire(import.meta.url)(
      `@trufflesuite/uws-js-unofficial/binaries/${uwsBinaryName()}`,
    );
  } catch {
    return undefined;
  }
}
