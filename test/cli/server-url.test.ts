import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addConfigFlags } from "../../src/cli/config-flags.js";
import { serverUrl } from "../../src/cli/server-url.js";

/** The URL that a command line without a URL leads to. */
function configuredUrl(...args: readonly string[]): string {
  const program = new Command();
  addConfigFlags(program);
  program.action(() => {}).parse(args, { from: "user" });
  return serverUrl(undefined, program).href;
}

describe("server URL", () => {
  it.each([
    ["ws://h:1/ws/v3", "ws://h:1/ws/v3"],
    ["http://h:1", "ws://h:1/ws/v3"],
    ["https://h", "wss://h/ws/v3"],
    ["wss://h/proxied?x=1#y", "wss://h/proxied?x=1"],
  ])("server URL - %s is %s", (given, href) => {
    expect(serverUrl(given, new Command()).href).toBe(href);
  });

  it.each([
    ["localhost:8081", 'url: "localhost:8081" is not a URL'],
    ["", 'url: "" is not a URL'],
    ["ftp://h", "url: must be ws, wss, http or https, not ftp:"],
    ["ws://h?token=t", "url: must not hold a token; set MARKETCAST_TOKEN instead"],
  ])("server URL - %s is refused", (given, message) => {
    expect(() => serverUrl(given, new Command())).toThrow(message);
  });

  it.each([
    [[], "ws://127.0.0.1:8081/ws/v3"],
    [["--host", "0.0.0.0", "--port", "9"], "ws://127.0.0.1:9/ws/v3"],
    [["--host", "::"], "ws://[::1]:8081/ws/v3"],
    [["--host", "market.example"], "ws://market.example:8081/ws/v3"],
  ])("server URL - with %j it is %s", (args, href) => {
    expect(configuredUrl(...args)).toBe(href);
  });

  it("server URL - port 0 leads nowhere", () => {
    expect(() => configuredUrl("--port", "0")).toThrow("port: 0 does not say where the server is");
  });
});
