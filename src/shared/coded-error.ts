/**
 * What every error has that the server's side tells apart or tells a user: a `code` to switch on. The
 * message is for people. Any other error is a fault of the program or of the machine.
 */
export class CodedError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
