import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { CLIENT_TYPES, SERVER_TYPES } from "../../../../../src/contract/json-schema.js";
import {
  type Description,
  descriptionRoutes,
} from "../../../../../src/workers/shard/http/v3/descriptions.js";
import { type ApiSources, DATA_ROUTES } from "../../../../../src/workers/shard/http/v3/routes.js";

const limits: Description["limits"] = {
  maxMessageSize: 65_536,
  maxMessageValues: 1,
  maxFragments: 2,
  maxSubscriptions: 3,
  maxFilters: 4,
  maxMessagesPerSecond: 5,
  maxBytesPerSecond: 6,
  maxOrdersPerSecond: 7,
  maxHttpRequestsPerSecond: 8,
  pingIntervalMs: 9,
  pongTimeoutMs: 10,
  idleTimeoutMs: 11,
};
const routes = descriptionRoutes(DATA_ROUTES, { version: "1.2.3", limits });

function bodyOf(path: string): Buffer {
  const route = routes.find((one) => one.path === path);
  if (route === undefined) throw new Error(`nothing at ${path}`);
  // Descriptions are made of no sources.
  return route.answer({} as ApiSources, "", "").body(() => {}) as Buffer;
}

type Json = Readonly<Record<string, unknown>>;
const documentAt = (path: string): Json => JSON.parse(bodyOf(path).toString());

/** Every `$ref` of a document leads to something in it. */
function expectReferencesToLead(document: Json): void {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
  expect(references.length).toBeGreaterThan(0);
  for (const [, path = ""] of references) {
    const found = path
      .split("/")
      .reduce<unknown>((within, name) => (within as Json | undefined)?.[name], document);
    expect(found, path).toBeTypeOf("object");
  }
}

it("descriptions - OpenAPI has every path with its parameters, and says how lists are written", () => {
  const document = documentAt("/v3/openapi.json");
  expect(document).toMatchObject({
    openapi: "3.1.0",
    info: { version: "1.2.3", "x-limits": { max_message_size: 65_536, idle_timeout_ms: 11 } },
  });
  expectReferencesToLead(document);
  const paths = document["paths"] as Readonly<Record<string, { readonly get: Json }>>;
  expect(Object.keys(paths).sort()).toEqual(
    [...DATA_ROUTES, ...routes].map(({ path }) => path).sort(),
  );
  for (const { path, parameters } of DATA_ROUTES) {
    const operation = paths[path]?.get;
    const named = operation?.["parameters"] as readonly Json[];
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(named.map(({ name }) => name)).toEqual([...inPath, ...Object.keys(parameters)]);
    for (const one of named) {
      const needed = one["in"] === "path" || one["name"] === "interval";
      expect(one["required"], `${path} ${one["name"]}`).toBe(needed || undefined);
      expect(one["schema"]).toBeTypeOf("object");
    }
    expect(Object.keys(operation?.["responses"] as Json)).toContain("200");
  }
});

it("descriptions - AsyncAPI has every message of the contract, each in one operation", () => {
  const document = documentAt("/v3/asyncapi.json");
  expect(document).toMatchObject({ asyncapi: "3.0.0", info: { version: "1.2.3" } });
  expectReferencesToLead(document);
  const { messages } = document["components"] as { readonly messages: Json };
  expect(Object.keys(messages)).toEqual([...CLIENT_TYPES, ...SERVER_TYPES]);
  const { operations } = document as {
    readonly operations: Readonly<Record<string, { readonly messages: readonly Json[] }>>;
  };
  const named = Object.values(operations).flatMap((one) =>
    one.messages.map(({ $ref }) => String($ref).replace(/^.*\//, "")),
  );
  expect(named.sort()).toEqual([...CLIENT_TYPES, ...SERVER_TYPES].sort());
  expect(JSON.stringify(messages["PriceUpdate"])).toContain('"best_bid"');
});

it("descriptions - the Protocol Buffers file is the package's, and each is made once", () => {
  const file = readFileSync(new URL("../../../../../proto/marketcast.proto", import.meta.url));
  expect(bodyOf("/v3/marketcast.proto")).toEqual(file);
  for (const { path } of routes) expect(bodyOf(path)).toBe(bodyOf(path));
});
