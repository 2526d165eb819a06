import { existsSync, readFileSync } from "node:fs";
import type { ShardOptions } from "../../../../config/thread-options.js";
import { asyncApi } from "./asyncapi.js";
import type { Info } from "./info.js";
import { openApi } from "./openapi.js";
import type { Route } from "./routes.js";

const PROTO_FILE = new URL("../../../../../proto/marketcast.proto", import.meta.url);

/** Bounds that clients meet, as the server was started with them. */
const LIMITS = [
  "maxMessageSize",
  "maxMessageValues",
  "maxFragments",
  "maxSubscriptions",
  "maxFilters",
  "maxMessagesPerSecond",
  "maxBytesPerSecond",
  "maxOrdersPerSecond",
  "maxHttpRequestsPerSecond",
  "pingIntervalMs",
  "pongTimeoutMs",
  "idleTimeoutMs",
] as const satisfies readonly (keyof ShardOptions)[];

/** What the descriptions say of this very server. */
export interface Description {
  readonly version: string;
  readonly limits: Pick<ShardOptions, (typeof LIMITS)[number]>;
}

/**
 * The routes to what describes the server: its HTTP, its WebSocket, its messages in Protocol Buffers. Each
 * is made when it is asked for first, and kept.
 * @param routes what else is answered
 */
export function descriptionRoutes(routes: readonly Route[], described: Description): Route[] {
  const info: Info = {
    version: described.version,
    limits: Object.fromEntries(LIMITS.map((name) => [snakeCase(name), described.limits[name]])),
  };
  const descriptions: Route[] = [
    kept("openapi.json", "This description", "application/json", () =>
      JSON.stringify(openApi([...routes, ...descriptions], info)),
    ),
    kept("asyncapi.json", "The WebSocket's description", "application/json", () =>
      JSON.stringify(asyncApi(info)),
    ),
  ];
  // The package has it; a build elsewhere need not.
  if (existsSync(PROTO_FILE)) {
    descriptions.push(
      kept(
        "marketcast.proto",
        "The messages in Protocol Buffers",
        "text/plain; charset=utf-8",
        () => readFileSync(PROTO_FILE, "utf8"),
      ),
    );
  }
  return descriptions;
}

function kept(name: string, summary: string, contentType: string, make: () => string): Route {
  let made: Buffer | undefined;
  const body = (): Buffer => {
    made ??= Buffer.from(make());
    return made;
  };
  return {
    path: `/v3/${name}`,
    summary,
    parameters: {},
    schema: contentType === "application/json" ? { type: "object" } : undefined,
    answer: () => ({ contentType, charged: true, body }),
  };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
