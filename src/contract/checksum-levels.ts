/** Levels a side that the checksum of a book covers. */
export const CHECKSUM_LEVELS = 10;
