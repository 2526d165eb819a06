import { describe, expect, it } from "vitest";
import { type Environment, readEnvironment } from "../../src/config/environment.js";
import { loadConfigWithSources } from "../../src/config/load.js";

/** What Kubernetes sets for Services `marketcast` and `marketcast-ops`, and Docker for a link. */
const SERVICE_LINKS = {
  MARKETCAST_SERVICE_HOST: "10.0.0.1",
  MARKETCAST_SERVICE_PORT: "8081",
  MARKETCAST_SERVICE_PORT_HTTP: "8081",
  MARKETCAST_PORT: "tcp://10.0.0.1:8081",
  MARKETCAST_PORT_8081_TCP: "tcp://10.0.0.1:8081",
  MARKETCAST_PORT_8081_TCP_PROTO: "tcp",
  MARKETCAST_PORT_8081_TCP_PORT: "8081",
  MARKETCAST_PORT_8081_TCP_ADDR: "10.0.0.1",
  MARKETCAST_PORT_53_UDP: "udp://10.0.0.1:53",
  MARKETCAST_OPS_SERVICE_HOST: "10.0.0.2",
  MARKETCAST_OPS_SERVICE_PORT_METRICS: "9081",
  MARKETCAST_OPS_PORT: "tcp://[fd00::1]:9081",
  MARKETCAST_OPS_PORT_9081_TCP_ADDR: "fd00::1",
  MARKETCAST_GATEWAY_PORT: "tcp://gateway.default.svc:80",
};

const load = (env: Environment) => loadConfigWithSources({ env });
const taken = (env: Environment) =>
  Object.fromEntries(readEnvironment(env).values.map(({ info, value }) => [info.key, value]));
const messages = (env: Environment) =>
  readEnvironment(env).remarks.map(({ level, message }) => `${level} ${message}`);

describe("environment", () => {
  it("environment - what Kubernetes sets for a Service of our name is left alone, with a note", () => {
    const { config, remarks, sources } = load(SERVICE_LINKS);
    expect([config.port, config.opsPort]).toEqual([8081, 9081]);
    expect(sources.get("port")).toBe("default");
    expect(remarks).toHaveLength(1);
    const [{ level, message } = { level: "", message: "" }] = remarks;
    expect(level).toBe("info");
    for (const variable of Object.keys(SERVICE_LINKS)) expect(message).toContain(variable);
    expect(load({ ...SERVICE_LINKS, MARKETCAST_RING_SIZE: "65536" }).config.ringSize).toBe(65_536);
  });

  it("environment - beside it a port is still given by file or flag", () => {
    const input = { env: SERVICE_LINKS, flags: { config: "a.json", opsPort: "2" } };
    const { config } = loadConfigWithSources({ ...input, readFile: () => '{"port":1}' });
    expect([config.port, config.opsPort]).toEqual([1, 2]);
  });

  it.each([
    ["MARKETCAST_PORT", "tcp://10.0.0.1"],
    ["MARKETCAST_PORT", "tcp://10.0.0.1:99999"],
    ["MARKETCAST_PORT", "tcp://10.0.0.1:8081/"],
    ["MARKETCAST_PORT", "http://10.0.0.1:8081"],
    ["MARKETCAST_PORT", "tcp:8081"],
    ["MARKETCAST_PORT", ""],
    ["MARKETCAST_MAX_CONNECTIONS", "tcp://10.0.0.1:8081"],
  ])("environment - %s=%s is a wrong value, and no link", (variable, value) => {
    expect(() => load({ [variable]: value })).toThrow(`(environment variable ${variable}) is not`);
  });

  it.each([
    ["MARKETCAST_PROT", "MARKETCAST_PORT"],
    ["MARKETCAST_PORTS", "MARKETCAST_PORT"],
    ["MARKETCAST_port", "MARKETCAST_PORT"],
    ["marketcast_port", "MARKETCAST_PORT"],
    ["Marketcast_Ring_Size", "MARKETCAST_RING_SIZE"],
    ["MARKETCAST_RINGSIZE", "MARKETCAST_RING_SIZE"],
    ["MARKETCAST_RING-SIZE", "MARKETCAST_RING_SIZE"],
    ["MARKETCAST_PING_INTERVAL_MS", "MARKETCAST_PING_INTERVAL"],
    ["MARKETCAST_MAX_CONNECTION", "MARKETCAST_MAX_CONNECTIONS"],
    ["MARKETCAST_ALOWED_ORIGN", "MARKETCAST_ALLOWED_ORIGINS"],
    ["MARKETCAST_TOKN", "MARKETCAST_TOKEN"],
    ["MARKETCAST__PORT", "MARKETCAST_PORT"],
  ])("environment - %s is taken for a slip of %s", (variable, meant) => {
    const slip = `warn ${variable}: there is no such environment variable; did you mean ${meant}?`;
    expect(messages({ [variable]: "1" })).toEqual([slip]);
    expect(taken({ [variable]: "1" })).toEqual({});
  });

  it("environment - other names are left alone and told once, their values never", () => {
    const env = {
      MARKETCAST_VERSION: "hunter2",
      MARKETCAST_IMAGE_TAG: "hunter2",
      MARKETCAST_: "hunter2",
      MARKETCAST: "hunter2",
      XMARKETCAST_PORT: "hunter2",
      MARKETCAST_TOKEN: "hunter2",
      [`MARKETCAST_${"X".repeat(100_000)}`]: "hunter2",
      PATH: "/bin",
    };
    const told = messages(env);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/^info .* MARKETCAST_VERSION, MARKETCAST_IMAGE_TAG, MARKETCAST_, /);
    expect(told[0]).not.toContain("hunter2");
    expect(told[0]).not.toContain("TOKEN");
  });

  it("environment - many names are told by their number", () => {
    const names = Array.from({ length: 50 }, (_, index) => [`MARKETCAST_OWN_NAME_${index}`, ""]);
    expect(messages(Object.fromEntries(names))[0]).toMatch(/ and 30 more$/);
  });

  it("environment - a known name is taken with whatever value it has", () => {
    expect(
      taken({ MARKETCAST_PORT: "x", MARKETCAST_JWT_SECRET: "s", MARKETCAST_HOST: "" }),
    ).toEqual({
      port: "x",
      jwtSecret: "s",
      host: "",
    });
  });
});
