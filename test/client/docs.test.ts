import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as errors from "../../src/client/errors.js";
import { DEFAULT_OPTIONS } from "../../src/client/options.js";

const text = readFileSync(new URL("../../docs/client.md", import.meta.url), "utf8");
const source = (name: string): string =>
  readFileSync(new URL(`../../src/client/${name}.ts`, import.meta.url), "utf8");
/** Names of the members of an interface, as its source has them. */
const membersOf = (file: string, name: string): string[] => {
  const body =
    new RegExp(`interface ${name}\\b[^{]*\\{(.*?)\\n\\}`, "s").exec(source(file))?.[1] ?? "";
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)[?(:]/gm)].map(
    ([, member]) => member as string,
  );
};

describe("docs", () => {
  it("docs - every option has a row with its unit and default", () => {
    const options = membersOf("options", "ClientOptions");
    expect(options).toContain("maxPendingRequests");
    for (const option of options) {
      const row = new RegExp(`^\\| \`${option}\` \\|([^|]*)\\|([^|]*)\\|`, "m").exec(text);
      expect(row, option).not.toBeNull();
      expect(row?.[1]?.trim() === "ms", option).toBe(option.endsWith("Ms"));
      const value = DEFAULT_OPTIONS[option as keyof typeof DEFAULT_OPTIONS];
      if (value !== undefined)
        expect(row?.[2]?.trim(), option).toBe(`\`${JSON.stringify(value)}\``);
    }
  });

  it("docs - every error has a row", () => {
    const classes = Object.keys(errors).filter((name) => name !== "MarketcastError");
    expect(classes.length).toBe(10);
    for (const name of classes) expect(text).toContain(`\n| \`${name}\` |`);
  });

  it("docs - every event of the client itself has a row", () => {
    const events = membersOf("events", "LifecycleEvents");
    expect(events).toContain("resubscribed");
    for (const event of events) expect(text).toContain(`\n| \`${event}\` |`);
  });

  it("docs - every method is named", () => {
    const methods = membersOf("client", "Client");
    expect(methods).toContain("placeOrder");
    for (const method of methods) expect(text).toContain(method);
  });
});
