import { expect, it } from "vitest";
import { parseConnectQuery } from "../../../../src/workers/shard/http/connect-query.js";

it.each(["true", "True", "1", "tr%75e", "%31"])(
  "connect query - cancel_on_disconnect=%s turns it on",
  (value) => {
    expect(parseConnectQuery(`cancel_on_disconnect=${value}`).cancelAfterMs).toBe(0);
  },
);

it.each(["cancel_on_disconnect", "cancel_on_disconnect=", "cancel%5Fon_disconnect&x=1"])(
  "connect query - %s, without a value, turns it on",
  (query) => {
    expect(parseConnectQuery(query).cancelAfterMs).toBe(0);
  },
);

it.each(["", "cancel_on_disconnect=false", "cancel_on_disconnect=False", "cancel_on_disconnect=0"])(
  "connect query - '%s' leaves cancel on disconnect off",
  (query) => {
    expect(parseConnectQuery(query)).toEqual({ batch: false });
  },
);

it.each([
  "TRUE",
  "FALSE",
  "yes",
  "on",
  "999",
  "300001",
  "5000.5",
  "5e3",
  "05000",
  "01",
  "-1",
  "null",
  "true ",
  "+",
  "%zz",
  "%",
  "%C3",
  "true?token=abc",
])("connect query - cancel_on_disconnect=%s is an error that names both", (value) => {
  const shown = JSON.stringify(decoded(value));
  expect(() => parseConnectQuery(`cancel_on_disconnect=${value}`)).toThrow(
    `the query parameter cancel_on_disconnect is ${shown}`,
  );
});

function decoded(value: string): string {
  return new URLSearchParams(`value=${value}`).get("value") as string;
}

it.each([1000, 5000, 300_000])("connect query - cancel_on_disconnect=%s is a wait", (waitMs) => {
  expect(parseConnectQuery(`cancel_on_disconnect=${waitMs}`).cancelAfterMs).toBe(waitMs);
});

it("connect query - a wait that is none is told with its bounds", () => {
  expect(() => parseConnectQuery("cancel_on_disconnect=999")).toThrow("from 1000 to 300000 ms");
});

it("connect query - a session is taken as it is, once", () => {
  expect(parseConnectQuery("session=a-b_c&session=a-b_c").session).toBe("a-b_c");
  const twice = "session=secret-one&session=secret-two";
  expect(() => parseConnectQuery(twice)).toThrow(/^[^-]*session is given twice[^-]*$/);
});

it("connect query - a long value is shown in part", () => {
  const long = "x".repeat(10_000);
  expect(() => parseConnectQuery(`cancel_on_disconnect=${long}`)).toThrow(/"x{40}…"/);
});

it("connect query - a parameter given twice must mean one thing", () => {
  const twice = (one: string, two: string) =>
    parseConnectQuery(`cancel_on_disconnect=${one}&cancel_on_disconnect=${two}`);
  expect(twice("true", "1").cancelAfterMs).toBe(0);
  expect(twice("0", "false").cancelAfterMs).toBeUndefined();
  expect(() => twice("true", "false")).toThrow('given twice, as "true" and as "false"');
  expect(() => twice("", "0")).toThrow("given twice");
  expect(() => twice("true", "maybe")).toThrow('"maybe"');
  expect(parseConnectQuery("token=a&token=a").token).toBe("a");
});

it("connect query - no error holds a token", () => {
  const errorOf = (query: string): string => {
    try {
      parseConnectQuery(query);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error(`${query} is no error`);
  };
  const twice = errorOf("token=secret-one&token=secret-two");
  expect(twice).toContain("token is given twice");
  for (const query of [
    "token=secret-one&token=secret-two",
    "token=secret-one&cancel_on_disconnect=x",
    "Token=secret-one",
  ])
    expect(errorOf(query)).not.toContain("secret");
});

it.each([
  "Cancel_On_Disconnect=true",
  "CANCEL_ON_DISCONNECT=1",
  "cancel-on-disconnect",
  "cancelOnDisconnect=true",
  "cancelondisconnect",
  "cancel_on_disconect=true",
  "cancel_on_disconnected=1",
  "cancel_at_disconnect=1",
  "TOKEN=a",
  "Session=a",
  "Batch=true",
])("connect query - %s is no other parameter, but a known one misspelled", (query) => {
  expect(() => parseConnectQuery(query)).toThrow(
    /is spelled (cancel_on_disconnect|token|session|batch)/,
  );
});

it("connect query - everything else is ignored, and hides nothing", () => {
  expect(parseConnectQuery("ref=a?b&token=a.b.c&x&=&y=%&cancel_on_disconnect=1&z")).toEqual({
    token: "a.b.c",
    cancelAfterMs: 0,
    batch: false,
  });
  expect(parseConnectQuery("token=").token).toBe("");
});

it("connect query - batch is a switch like the other, and by itself", () => {
  for (const value of ["", "=", "=1", "=true", "=True"])
    expect(parseConnectQuery(`batch${value}`)).toMatchObject({
      batch: true,
      cancelAfterMs: undefined,
    });
  for (const value of ["=0", "=false", "=False"])
    expect(parseConnectQuery(`batch${value}`).batch).toBe(false);
  expect(() => parseConnectQuery("batch=8")).toThrow('the query parameter batch is "8"');
});
