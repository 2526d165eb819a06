import type { RefusedBy } from "../../messages.js";
import type { AddressShare } from "../connections/address-shares.js";
import type { TokenBucket } from "../connections/token-bucket.js";
import type { HttpGate } from "./http-gate.js";

/** An accepted socket, as main hands it over. */
export interface Accepted {
  readonly number: number;
  /** The client's IP address. */
  readonly address: string;
  readonly refusedBy: RefusedBy | undefined;
  /** When the shard took it; ms of performance.now(). */
  readonly takenAt: number;
  /** The address is a proxy's, which has yet to say whose the connection is. */
  readonly proxied: boolean;
}

/** A socket that has not been upgraded yet. */
export interface Candidate extends Accepted {
  readonly gate: HttpGate;
  /** Ends it; begun anew with each answer. */
  timer: NodeJS.Timeout;
  readonly share: AddressShare;
  readonly httpRequests: TokenBucket;
  /** Requests that have begun. */
  requests: number;
  /** The time of the last of them, for which it may have to wait; ms of performance.now(). */
  nextAt: number;
  /**
   * It has had a file of the page, data, or its last answer: its end by the timer is that of an idle
   * HTTP connection.
   */
  served: boolean;
  /** It has named a session, and has it or waits for it. */
  resumes: boolean;
}
