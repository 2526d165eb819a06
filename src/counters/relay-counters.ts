import { THREAD } from "./counters.js";

/** Words of the relay's section: of an origin's thread, or of an edge's producer. */
export const RELAY = {
  ...THREAD,
  /** Written by main: nodes of the relay, whether this one is listed, and whether another one has its name. */
  nodes: 60,
  nodeListed: 61,
  nodeNamesake: 62,
  /** Entries, records and bytes, appended or taken in. */
  entries: 2,
  records: 3,
  bytes: 4,
  /** Records that the rings have overtaken before they were packed. */
  dropped: 5,
  /** Times that something was missing between two entries. */
  gaps: 6,
  /** Connections to Redis after the first. */
  reconnects: 7,
  /** How long the last entry took to be answered, or was on its way here, in seconds. */
  lagS: 8,
  /** Number of the last entry, and of the origin. */
  batch: 9,
  fence: 10,
  /** Whether Redis can be reached, 0 or 1. */
  connected: 11,
  /** Trades of gaps that were fetched, or given, out of the origin's archive, and those that were lost. */
  tradesFetched: 12,
  tradesLost: 13,
  /** Entries of an origin whose time is over. */
  refused: 14,
  /** Threads started. */
  starts: 15,
  /** How full the rings are with what is not relayed yet: the fuller one's share. */
  backlog: 16,
  /** Snapshots written, or loaded. */
  snapshots: 17,
  /** On an edge the `ts` of the last trade that was told, and how many of that `ts` were; they outlive its producer. */
  tradeTs: 18,
  tradesOfTs: 19,
  /** Of an origin: links of edges to the exchange, those that have ended, and edges that were silent for their lease. */
  links: 20,
  linksEnded: 21,
  leasesEnded: 22,
  /** Bytes that wait for edges, and requests of edges that the exchange has not answered. */
  linkWaitingBytes: 23,
  linkOutstanding: 24,
  /** Of an edge: whether it has a link to the origin's exchange, and bytes that wait to go there. */
  originLinked: 25,
  originWaitingBytes: 26,
  /** Of an origin: whether it has its prefix's lease, 0 or 1, renewals of that, and failed attempts at one. */
  leaseHeld: 27,
  leaseRenewals: 28,
  leaseFailures: 29,
  /** Standbys that an exchange hears of, and those of them that may take over. */
  standbys: 30,
  heirs: 31,
  /** Records of the journal, and their bytes: given to standbys, or taken by one. */
  journalRecords: 32,
  journalBytes: 33,
  /** Records that a standby lacks, as far as it knows. */
  journalLag: 34,
  /** Bytes of copies of the store that a standby has taken. */
  copiedBytes: 35,
  /** At either end: answers to those who do not hear them any more, as their link has ended, or their shard. */
  answersDropped: 36,
  /** Of an origin and of an edge, likewise of the links to the hub: private channels and presence. */
  hubLinks: 40,
  hubLinksEnded: 41,
  hubLeasesEnded: 42,
  hubLinkWaitingBytes: 43,
  hubLinkOutstanding: 44,
  originHubLinked: 45,
  originHubWaitingBytes: 46,
  /** Of an edge: all that was published earlier than this `ts` has been told; it outlives its producer. */
  publishedTo: 47,
  /** Times that an edge may have missed publications, and asks its origin for what there was. */
  publicationGaps: 48,
} as const;
