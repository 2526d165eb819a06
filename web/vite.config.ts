import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Puts a compressed copy beside each file, so that no server thread spends its time on it. */
function gzipCopies(): Plugin {
  return {
    name: "gzip-copies",
    writeBundle({ dir = "" }, bundle) {
      for (const name of Object.keys(bundle)) {
        const file = join(dir, name);
        const level = constants.Z_BEST_COMPRESSION;
        writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level }));
      }
    },
  };
}

export default defineConfig({
  root: path("."),
  // `npx vite web` serves the sources and passes the WebSocket on to a running server.
  server: { proxy: { "/ws": { target: "ws://127.0.0.1:8081", ws: true } } },
  resolve: { alias: { "marketcast/client": path("../src/client/browser.ts") } },
  plugins: [gzipCopies()],
  build: {
    outDir: path("../dist/web"),
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    // The policy that the page is served with allows neither inlined styles nor scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The licence of what is bundled goes along with it.
    rolldownOptions: { output: { comments: { legal: true, annotation: false, jsdoc: false } } },
  },
});
