import { execFileSync } from "node:child_process";

let made = 0;

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}

/**
 * A network namespace with links to this one, each of which can be cut as a cable is: what is on its way is lost, and
 * nobody is told.
 */
export class NetworkNamespace {
  readonly #name: string;
  readonly #index: number;

  private constructor(index: number) {
    this.#name = `mc${process.pid}-${index}`;
    this.#index = index;
  }

  /** Makes one with so many links, of which each end has an address of its own. Throws where that is not permitted. */
  static make(links: number): NetworkNamespace {
    const namespace = new NetworkNamespace(made++);
    ip("netns", "add", namespace.#name);
    try {
      for (let at = 0; at < links; at++) namespace.#link(at);
    } catch (error) {
      namespace.remove();
      throw error;
    }
    return namespace;
  }

  /** What starts a program in it. */
  get command(): readonly string[] {
    return ["ip", "netns", "exec", this.#name];
  }

  /** The address inside by way of a link. */
  address(link: number): string {
    return `${this.#subnet(link)}.2`;
  }

  cut(link: number): void {
    ip("link", "set", this.#outside(link), "down");
  }

  heal(link: number): void {
    ip("link", "set", this.#outside(link), "up");
  }

  remove(): void {
    ip("netns", "del", this.#name);
  }

  #link(at: number): void {
    const [outside, inside] = [this.#outside(at), `i${at}`];
    ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", this.#name);
    ip("addr", "add", `${this.#subnet(at)}.1/24`, "dev", outside);
    ip("link", "set", outside, "up");
    const within = ["netns", "exec", this.#name, "ip"] as const;
    ip(...within, "addr", "add", `${this.#subnet(at)}.2/24`, "dev", inside);
    ip(...within, "link", "set", inside, "up");
    if (at === 0) ip(...within, "link", "set", "lo", "up");
  }

  #outside(link: number): string {
    return `mc${process.pid % 100_000}o${this.#index}${link}`;
  }

  /** Of a range that is nobody's: 198.18.0.0/15 is there for tests of networks. */
  #subnet(link: number): string {
    return `198.18.${(process.pid * 8 + this.#index * 2 + link) % 256}`;
  }
}

/** Whether one may be made here. */
export const HAS_NAMESPACES = mayMake();
/** What a test says that is skipped without. */
export const NO_NAMESPACES = HAS_NAMESPACES
  ? ""
  : " (skipped: no network namespace may be made here)";

function mayMake(): boolean {
  try {
    NetworkNamespace.make(1).remove();
    return true;
  } catch {
    return false;
  }
}
