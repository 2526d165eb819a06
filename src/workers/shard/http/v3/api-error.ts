import type { HttpErrorCode } from "../../../../contract/error-codes.js";
import { CodedError } from "../../../../shared/coded-error.js";

/** The status that goes with each code that the API itself answers. */
const STATUSES = {
  INVALID_MESSAGE: 400,
  MARKET_NOT_FOUND: 404,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  INTERNAL: 500,
  UNAVAILABLE: 503,
} as const satisfies Partial<Record<HttpErrorCode, number>>;

type ApiErrorCode = keyof typeof STATUSES;

interface ErrorDetails {
  /** The parameter at fault. */
  readonly field: string;
}

/** A request below /v3/ that is answered by an error. */
export class ApiError extends CodedError<ApiErrorCode> {
  readonly details: ErrorDetails | undefined;

  constructor(code: ApiErrorCode, message: string, details?: ErrorDetails) {
    super(code, message);
    this.details = details;
  }

  get status(): number {
    return STATUSES[this.code];
  }
}

/** The body of an answer that is an error. */
export function errorJson(code: HttpErrorCode, message: string, details?: ErrorDetails): string {
  return JSON.stringify({ error: { code, message, ...(details !== undefined && { details }) } });
}
