import { byId, element } from "../dom.js";

const NOT_CONNECTED = "Not connected: nobody can check a token until the connection is back.";

/** The dialog in which a token is pasted. */
export class SignIn {
  readonly #dialog = byId<HTMLDialogElement>("sign-in");
  readonly #token = element("textarea", {
    id: "token",
    rows: 4,
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "eyJhbGciOi…",
  });
  readonly #problem = element("p", { class: "problem", role: "alert" });
  readonly #submit = element("button", { type: "submit", class: "primary" }, "Sign in");

  #connected = false;

  /** `signIn` rejects where the token is not taken. */
  constructor(signIn: (token: string) => Promise<void>) {
    const cancel = element("button", { type: "button", class: "quiet" }, "Cancel");
    cancel.addEventListener("click", () => this.#dialog.close());
    const form = element(
      "form",
      { method: "dialog" },
      element("h2", { id: "sign-in-title" }, "Sign in with a token"),
      element(
        "p",
        { class: "muted" },
        "Paste a JWT with a wallet to place orders. It stays in this tab's memory; a reload forgets it.",
      ),
      element("label", { for: "token", class: "hidden" }, "Token"),
      this.#token,
      this.#problem,
      element("div", { class: "actions" }, cancel, this.#submit),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send(signIn);
    });
    this.#token.addEventListener("input", () => this.#say(""));
    this.#dialog.append(form);
  }

  open(): void {
    this.#say("");
    this.#dialog.showModal();
  }

  /** Whether the server can be talked to. */
  setConnected(connected: boolean): void {
    this.#connected = connected;
    if (connected && this.#problem.textContent === NOT_CONNECTED) this.#say("");
  }

  #say(problem: string): void {
    this.#problem.textContent = problem;
  }

  async #send(signIn: (token: string) => Promise<void>): Promise<void> {
    // It would wait, and sign in some time later.
    if (!this.#connected) return this.#say(NOT_CONNECTED);
    this.#submit.disabled = true;
    this.#say("");
    try {
      await signIn(this.#token.value.trim());
      this.#token.value = "";
      this.#dialog.close();
    } catch (error) {
      this.#say((error as Error).message);
    } finally {
      this.#submit.disabled = false;
    }
  }
}
