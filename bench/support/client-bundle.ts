import { gzipSync } from "node:zlib";
import { build } from "vite";

/** A file of the client's bundle for browsers. */
export interface BundledFile {
  /** Whether it is what a page loads; others come by dynamic imports. */
  readonly isEntry: boolean;
  /** The module's that it is made for. */
  readonly name: string;
  readonly code: string;
  readonly bytes: number;
  readonly gzipBytes: number;
  /** Paths of the modules in it. */
  readonly modules: readonly string[];
}

/**
 * Bundles and minifies the client in memory: its browser entry, and in files of their own what that loads
 * when it is needed. Vite's own loader of a page's files, some 700 bytes, is none of the client and left out:
 * that is what `ssr` is for.
 * @param root the project's folder
 */
export async function bundleClient(root: string): Promise<readonly BundledFile[]> {
  const environment = process.env["NODE_ENV"];
  const result = await build({
    root,
    configFile: false,
    logLevel: "silent",
    ssr: {
      noExternal: true,
      resolve: { conditions: ["browser", "import", "module", "default"] },
    },
    build: {
      ssr: true,
      write: false,
      minify: true,
      target: "es2022",
      modulePreload: false,
      rolldownOptions: {
        input: `${root}/src/client/browser.ts`,
        preserveEntrySignatures: "allow-extension",
        output: { format: "es" },
      },
    },
  });
  // Vite sets it to production, which a server started from here would take for its own.
  if (environment === undefined) delete process.env["NODE_ENV"];
  else process.env["NODE_ENV"] = environment;
  const [bundle] = Array.isArray(result) ? result : [result];
  if (bundle === undefined || !("output" in bundle)) throw new Error("vite made no bundle");
  return bundle.output.flatMap((file): BundledFile[] => {
    if (file.type !== "chunk") return [];
    const { isEntry, name, code } = file;
    const modules = Object.keys(file.modules);
    return [
      {
        isEntry,
        name,
        code,
        bytes: Buffer.byteLength(code),
        gzipBytes: gzipSync(code, { level: 9 }).length,
        modules,
      },
    ];
  });
}
