import { type CounterBlock, counted, PRODUCER } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import type { Add, MetricType } from "./metric-samples.js";

/** Adds what a node counts as one of several. */
export function addRelayMetrics(add: Add, block: CounterBlock): void {
  addStreamMetrics(add, block);
  addNodeMetrics(add, block);
  addLinkMetrics(add, block);
  addHubLinkMetrics(add, block);
  addStandbyMetrics(add, block);
}

/** Adds what an exchange and its standbys have counted of its journal. */
function addStandbyMetrics(add: Add, { relay, producer }: CounterBlock): void {
  const one = (type: MetricType, name: string, word: number, help: string): void =>
    add(type, `relay_${name}`, help, () => [{ labels: {}, value: counted(relay, word) }]);
  one(
    "gauge",
    "standbys",
    RELAY.standbys,
    "Standbys that this exchange has heard of in the last minute",
  );
  one(
    "gauge",
    "heirs",
    RELAY.heirs,
    "Those of them that have all that was told, and may take over",
  );
  one(
    "counter",
    "journal_records_total",
    RELAY.journalRecords,
    "Records of the journal given to standbys, or taken by this one",
  );
  one("counter", "journal_bytes_total", RELAY.journalBytes, "Their bytes");
  one(
    "gauge",
    "journal_lag_records",
    RELAY.journalLag,
    "Records that this standby lacks, as far as it has heard",
  );
  one(
    "counter",
    "copied_bytes_total",
    RELAY.copiedBytes,
    "Bytes of copies of the exchange's store that this standby has taken",
  );
  add(
    "counter",
    "relay_batches_held_total",
    "Batches that no standby had on disk in time, so that their orders were answered by UNAVAILABLE",
    () => [{ labels: {}, value: counted(producer, PRODUCER.batchesHeld) }],
  );
}

/** Adds what is counted of the stream: by an origin of what it appended, by an edge of what it took in. */
function addStreamMetrics(add: Add, { relay }: CounterBlock): void {
  const one = (type: MetricType, name: string, word: number, help: string): void =>
    add(type, `relay_${name}`, help, () => [{ labels: {}, value: counted(relay, word) }]);
  one("gauge", "connected", RELAY.connected, "Whether the relay's Redis can be reached, 0 or 1");
  one("counter", "reconnects_total", RELAY.reconnects, "Connections to Redis after the first");
  one("counter", "entries_total", RELAY.entries, "Entries appended, or taken in by an edge");
  one("counter", "records_total", RELAY.records, "Records in them");
  one("counter", "bytes_total", RELAY.bytes, "Their bytes");
  one(
    "gauge",
    "lag_seconds",
    RELAY.lagS,
    "How long Redis took to answer for the last entry; on an edge, how old the last one was",
  );
  one(
    "gauge",
    "backlog",
    RELAY.backlog,
    "How full the window is with what waits for Redis, 0 to 1; beyond it is dropped",
  );
  one(
    "counter",
    "dropped_total",
    RELAY.dropped,
    "Records that were overwritten before Redis took them",
  );
  one("counter", "gaps_total", RELAY.gaps, "Times that entries or records were missing");
  one(
    "counter",
    "refused_total",
    RELAY.refused,
    "Entries that an edge did not take: damaged, or of an origin whose time is over",
  );
  one("counter", "snapshots_total", RELAY.snapshots, "Snapshots written, or loaded by an edge");
  one(
    "counter",
    "trades_fetched_total",
    RELAY.tradesFetched,
    "Trades that edges had missed, given or taken out of the origin's archive",
  );
  one(
    "counter",
    "trades_lost_total",
    RELAY.tradesLost,
    "Trades that an edge has missed for good; its clients were closed",
  );
  one("counter", "starts_total", RELAY.starts, "Threads started to relay");
  one(
    "counter",
    "publication_gaps_total",
    RELAY.publicationGaps,
    "Times that an edge may have missed publications; its shards asked its origin for them",
  );
  one(
    "gauge",
    "lease_held",
    RELAY.leaseHeld,
    "Whether this node is the origin by its lease, 0 or 1",
  );
  one("counter", "lease_renewals_total", RELAY.leaseRenewals, "Renewals of the origin's lease");
  one(
    "counter",
    "lease_failures_total",
    RELAY.leaseFailures,
    "Attempts at a renewal that Redis did not answer; without one for as long as the lease lasts a standby takes over",
  );
}

/** Adds what is counted of the list of all nodes. */
function addNodeMetrics(add: Add, { relay }: CounterBlock): void {
  const one = (name: string, word: number, help: string): void =>
    add("gauge", `relay_${name}`, help, () => [{ labels: {}, value: counted(relay, word) }]);
  one("nodes", RELAY.nodes, "Nodes of this relay that are listed, as Redis last said");
  one(
    "node_listed",
    RELAY.nodeListed,
    "Whether this node is among them, 0 or 1: not without Redis, nor where the list is full",
  );
  one("node_namesake", RELAY.nodeNamesake, "Whether another node had its name first, 0 or 1");
}

/** Adds what is counted of the ways of edges to their origin's hub, at either end. */
function addHubLinkMetrics(add: Add, { relay }: CounterBlock): void {
  const one = (type: MetricType, name: string, word: number, help: string): void =>
    add(type, `relay_${name}`, help, () => [{ labels: {}, value: counted(relay, word) }]);
  one(
    "gauge",
    "hub_links",
    RELAY.hubLinks,
    "Edges with a link to this origin's hub, for private channels and presence",
  );
  one("counter", "hub_links_ended_total", RELAY.hubLinksEnded, "Such links that have ended");
  one(
    "counter",
    "hub_leases_ended_total",
    RELAY.hubLeasesEnded,
    "Edges that were silent for so long that their presence ended",
  );
  one("gauge", "hub_link_waiting_bytes", RELAY.hubLinkWaitingBytes, "What waits there for edges");
  one(
    "gauge",
    "hub_link_outstanding_requests",
    RELAY.hubLinkOutstanding,
    "Requests of edges that the hub has not answered",
  );
  one(
    "gauge",
    "origin_hub_linked",
    RELAY.originHubLinked,
    "Whether this edge has a link to its origin's hub, 0 or 1",
  );
  one(
    "gauge",
    "origin_hub_waiting_bytes",
    RELAY.originHubWaitingBytes,
    "What waits of this edge for its origin's hub",
  );
}

/** Adds what is counted of the ways of edges to their origin's exchange, at either end. */
function addLinkMetrics(add: Add, { producer, relay }: CounterBlock): void {
  const one = (type: MetricType, name: string, word: number, help: string): void =>
    add(type, `relay_${name}`, help, () => [{ labels: {}, value: counted(relay, word) }]);
  one("gauge", "links", RELAY.links, "Edges whose shards have a link to this origin's exchange");
  one("counter", "links_ended_total", RELAY.linksEnded, "Links of edges that have ended");
  one(
    "counter",
    "leases_ended_total",
    RELAY.leasesEnded,
    "Edges that were silent for so long that their sessions ended",
  );
  one("gauge", "link_waiting_bytes", RELAY.linkWaitingBytes, "Answers that wait for edges");
  one(
    "gauge",
    "link_outstanding_requests",
    RELAY.linkOutstanding,
    "Requests of edges that the exchange has not answered",
  );
  one(
    "gauge",
    "origin_linked",
    RELAY.originLinked,
    "Whether this edge has a link to its origin's exchange, 0 or 1",
  );
  one(
    "gauge",
    "origin_waiting_bytes",
    RELAY.originWaitingBytes,
    "Requests of this edge that wait for its origin",
  );
  one(
    "counter",
    "link_answers_dropped_total",
    RELAY.answersDropped,
    "Answers to edges' requests that nobody hears any more, as the link or the shard has ended",
  );
  add(
    "counter",
    "relay_requests_too_late_total",
    "Orders of edges that came too late to this origin's exchange to be carried out",
    () => [{ labels: {}, value: counted(producer, PRODUCER.requestsTooLate) }],
  );
}
