import type { FrameWriter } from "./frame-writer.js";
import type { PushEncoder } from "./push-encoder.js";

/** All that the server has to know of an encoding. */
export interface EncodingDescriptor {
  readonly name: string;
  /** WebSocket subprotocol that stands for it. */
  readonly subprotocol: string;
  /** The frames that its messages come in, either way. */
  readonly frames: "text" | "binary";
  readonly encoder: PushEncoder;
  readonly decoder: PayloadDecoder;
  readonly batches: BatchForm;
}

/** How payloads of several messages are one: what is written around each of them. */
export interface BatchForm {
  /** Whether a message that is alone may come as it is, as no batch. */
  readonly bareAlone: boolean;
  /** Writes what comes before a batch of so many messages. */
  begin(out: FrameWriter, messages: number): void;
  /** Writes what comes before a message of `bytes`, the first of all or a later one. */
  before(out: FrameWriter, bytes: number, first: boolean): void;
  /** Writes what comes behind the last one. */
  end(out: FrameWriter): void;
}

/** From the payload of a client's message to a value, which is any. */
export interface PayloadDecoder {
  /** The format's name, as clients are told. */
  readonly format: string;
  /**
   * Walks a payload before it is decoded: what of its structure or its bounds is wrong, in words for the
   * client, or undefined.
   * @param valuesMax how many values it may have in all
   */
  findFault(payload: Buffer, valuesMax: number): string | undefined;
  /** Throws where the payload is not of the format. */
  decode(payload: Buffer): unknown;
}
