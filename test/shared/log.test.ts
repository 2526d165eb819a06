import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const LOG = fileURLToPath(new URL("../../dist/shared/log.js", import.meta.url));
const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl";

/** Standard output of a process that logs `calls` with the built logger. */
function logged(format: "json" | "pretty", level: string, calls: string): string {
  const script = `
    import { createLogger } from ${JSON.stringify(LOG)};
    const token = ${JSON.stringify(TOKEN)};
    const log = createLogger({ level: ${JSON.stringify(level)}, format: "${format}" }, { thread: "t" });
    ${calls}`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", script],
    { encoding: "utf8" },
  );
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout;
}

const WITH_TOKENS = `
  log.info({ token, authorization: "Bearer " + token, url: "/ws/v3?token=" + token }, "one");
  log.warn({ request: { token, authorization: "Bearer " + token, url: "/ws/v3?token=" + token } }, "two");
  log.error({ headers: { authorization: "Bearer " + token } }, "three");
  log.info({ config: { jwtSecret: token, port: 1 } }, "four");
  log.info({ request: { headers: { authorization: "Bearer " + token } } }, "five");`;

describe("log", () => {
  for (const format of ["json", "pretty"] as const) {
    it(`log - no field that may hold a token is written (${format})`, () => {
      const text = logged(format, "info", WITH_TOKENS);
      for (const message of ["one", "two", "three", "four", "five"])
        expect(text).toContain(message);
      expect(text).not.toContain(TOKEN);
      expect(text).toContain("[Redacted]");
    });
  }

  it("log - JSON lines have time, level and the thread's bindings, and errors their stack", () => {
    const text = logged(
      "json",
      "info",
      'log.error({ err: new Error("broken"), port: 1 }, "failed");',
    );
    const line = JSON.parse(text);
    expect(line).toMatchObject({ level: 50, thread: "t", msg: "failed", port: 1 });
    expect(Math.abs(Date.parse(line.time) - Date.now())).toBeLessThan(60_000);
    expect(line.err.message).toBe("broken");
    expect(line).not.toHaveProperty("pid");
  });

  it("log - what is below the level is not written; what is, is whole before the process dies", () => {
    const text = logged(
      "json",
      "warn",
      'for (let n = 0; n < 2000; n++) { log.info("quiet"); log.warn({ n }, "loud"); } process.exit(0);',
    );
    const lines = text.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).n)).toEqual(lines.map((_, n) => n));
    expect(lines).toHaveLength(2000);
  });
});
