import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

interface Entry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly inBundle?: boolean;
}

const { packages } = JSON.parse(
  readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"),
) as { readonly packages: Readonly<Record<string, Entry>> };
/** What npm fetches: not the package itself, nor what lies within it or in another's tarball. */
const fetched = Object.entries(packages).filter(
  ([path, { link, inBundle }]) => path !== "" && link !== true && inBundle !== true,
);

describe("lockfile", () => {
  it("lockfile - every package has its hash, those of other platforms as well", () => {
    expect(fetched.length).toBeGreaterThan(100);
    const without = fetched.filter(([, { integrity }]) => !/^sha512-.{86}==$/.test(`${integrity}`));
    expect(without.map(([path]) => path)).toEqual([]);
  });

  it("lockfile - no package comes from a host of its own", () => {
    const elsewhere = fetched.filter(
      ([, { resolved }]) =>
        resolved !== undefined && !resolved.startsWith("https://registry.npmjs.org/"),
    );
    expect(elsewhere).toEqual([]);
  });
});
