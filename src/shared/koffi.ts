import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/*
 * koffi, where it is installed; importing this fails where it is not.
 *
 * Where node_modules holds links, Node finds what they lead to only if the last file that was looked at
 * synchronously was no pipe and no socket (fs.realpathSync, as of Node 20), and koffi finds its library only from
 * there. So a file is looked at, and nothing comes in between, as it may in an import.
 */

statSync(fileURLToPath(import.meta.url));
const required = createRequire(import.meta.url)("koffi") as typeof import("koffi");

export const koffi = required.default;
