import { z } from "zod";
import { CHANNEL_NAME_RULE, isChannelName, publicationOf } from "../contract/publication.js";
import type { PublishOutcome } from "../workers/hub/messages.js";
import { ProducerRequests } from "./producer-requests.js";

/** What an operator publishes. */
export interface OpsPublication {
  readonly channel: string;
  /** JSON. */
  readonly data: string;
}

export type PublishRequests = ProducerRequests<OpsPublication, PublishOutcome>;

/** Larger than any JSON of a publication in the usual spellings, in bytes. */
export const PUBLISH_BODY_BYTES_MAX = 64 * 1024;

export const publishSchema: z.ZodType<OpsPublication> = z.strictObject({
  channel: z.string().refine(isChannelName, CHANNEL_NAME_RULE),
  data: z.unknown().transform((value, context): string => {
    const publication = publicationOf(value);
    if (publication.fault === undefined) return publication.json;
    context.addIssue({ code: "custom", message: publication.fault });
    return z.NEVER;
  }),
});

/**
 * What operators publish.
 * @param most requests that may be under way
 * @param send sends a request to the producer that is ready; returns false where none is
 */
export function createPublishRequests(
  most: number,
  send: (request: number, publication: OpsPublication) => boolean,
): PublishRequests {
  const messages = {
    busy: `${most} publications are under way, as many as --ops-max-connections allows`,
    "not-ready": "nothing can be published at the moment; try again",
    ended: "the answer was lost, and it may have been published",
  };
  return new ProducerRequests<OpsPublication, PublishOutcome>({
    most,
    send,
    refusal: (why) => ({ refusal: { code: "UNAVAILABLE", message: messages[why] } }),
  });
}
