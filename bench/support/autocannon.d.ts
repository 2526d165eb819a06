/** The part of autocannon that the benches use; the package brings no types. */
declare module "autocannon" {
  interface Distribution {
    readonly average: number;
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
  }

  interface Result {
    readonly requests: Distribution & { readonly total: number };
    /** In ms. */
    readonly latency: Distribution;
    readonly errors: number;
    readonly timeouts: number;
    readonly non2xx: number;
    readonly statusCodeStats: Readonly<Record<string, { readonly count: number }>>;
  }

  interface Options {
    readonly url: string;
    readonly connections: number;
    /** In seconds. */
    readonly duration: number;
    /** Requests a second over all connections. */
    readonly overallRate: number;
    /** Requests before a connection is closed and made anew. */
    readonly reconnectRate: number;
  }

  const autocannon: (options: Options) => Promise<Result>;
  export = autocannon;
}
