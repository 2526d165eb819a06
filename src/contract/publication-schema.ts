import { z } from "zod";
import { PUBLICATION_BYTES_MAX } from "./limits.js";
import { publicationOf } from "./publication.js";

/** What is published, parsed into its JSON. */
export const publicationSchema = z
  .unknown()
  .transform((value, context): string => {
    const publication = publicationOf(value);
    if (publication.fault === undefined) return publication.json;
    context.addIssue({ code: "custom", message: publication.fault });
    return z.NEVER;
  })
  .meta({ description: `any JSON of at most ${PUBLICATION_BYTES_MAX} bytes` });
