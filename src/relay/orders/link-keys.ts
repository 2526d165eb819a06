import { relayKeys } from "../relay-keys.js";

/** Names of the keys in Redis by which orders go from edges to the origin and back. */
export interface LinkKeys {
  /** A stream: edges say that they are there and want a link. */
  readonly hellos: string;
  /** A stream: an origin says that it is there and takes links. */
  readonly calls: string;
  /** The highest fence of an origin. */
  readonly fence: string;
  /** A stream for each link: what the edge asks. */
  readonly requests: (link: string) => string;
  /** A stream for each link: what the origin tells. */
  readonly answers: (link: string) => string;
}

export function linkKeys(prefix: string): LinkKeys {
  return {
    hellos: `${prefix}:hellos`,
    calls: `${prefix}:calls`,
    fence: relayKeys(prefix).fence,
    requests: (link) => `${prefix}:requests:${link}`,
    answers: (link) => `${prefix}:answers:${link}`,
  };
}
