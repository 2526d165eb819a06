/** What a frame is made of; by default it is whole and right. */
export interface FrameParts {
  readonly fin?: boolean;
  /** RSV1 to RSV3, as a number of three bits. */
  readonly reserved?: number;
  readonly masked?: boolean;
  /** The bytes that announce the length, behind the first; by default the shortest that will do. */
  readonly length?: Buffer;
}

/** A frame as a client sends it (RFC 6455, section 5.2), with what is to be wrong in it. */
export function maskedFrame(
  opcode: number,
  payload: string | Buffer = "",
  { fin = true, reserved = 0, masked = true, length }: FrameParts = {},
): Buffer {
  const bytes = Buffer.from(payload);
  const announced = length ?? shortestLength(bytes.length);
  const head = Buffer.concat([
    Buffer.from([(fin ? 0x80 : 0) | (reserved << 4) | opcode]),
    Buffer.from([(announced[0] as number) | (masked ? 0x80 : 0)]),
    announced.subarray(1),
  ]);
  if (!masked) return Buffer.concat([head, bytes]);
  const mask = Buffer.from([0x12, 0x34, 0x56, 0x78]);
  const covered = bytes.map((byte, index) => byte ^ (mask[index % 4] as number));
  return Buffer.concat([head, mask, covered]);
}

function shortestLength(length: number): Buffer {
  if (length < 126) return Buffer.from([length]);
  const long = Buffer.alloc(length < 65_536 ? 3 : 9);
  if (length < 65_536) {
    long[0] = 126;
    long.writeUInt16BE(length, 1);
  } else {
    long[0] = 127;
    long.writeBigUInt64BE(BigInt(length), 1);
  }
  return long;
}
