import type { SystemStatus } from "marketcast/client";
import { byId } from "../dom.js";
import { duration, fixed } from "../format.js";

/** What the server says of itself, in one line. */
export function showSystem(status: SystemStatus): void {
  const { state, reasons, connections, shards, markets, uptime_s, version } = status;
  const count = (number: number, one: string, many: string): string =>
    `${fixed(number, 0)} ${number === 1 ? one : many}`;
  const line = byId("system");
  line.dataset["state"] = state;
  line.textContent = [
    `Marketcast ${version}`,
    state === "ok" ? "all systems normal" : `${state}: ${reasons.join(", ")}`,
    count(markets, "market", "markets"),
    count(connections, "connection", "connections"),
    count(shards, "shard", "shards"),
    `up ${duration(uptime_s)}`,
  ].join(" · ");
}
