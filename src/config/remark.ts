/** What the operator should know of a configuration that is taken nevertheless. */
export interface Remark {
  readonly level: "info" | "warn";
  readonly message: string;
}
