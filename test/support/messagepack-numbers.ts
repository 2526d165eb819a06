export interface NumberFormat {
  readonly value: number;
  /** Encoded as an integer, not as a float. */
  readonly integer: boolean;
}

/** Every number in one MessagePack value, in order, with the kind of format that it is encoded in. */
export function numberFormats(payload: Buffer): NumberFormat[] {
  const numbers: NumberFormat[] = [];
  walk(payload, 0, numbers);
  return numbers;
}

/** Formats by their first byte; see the MessagePack specification. */
function walk(bytes: Buffer, start: number, numbers: NumberFormat[]): number {
  const format = bytes.readUInt8(start);
  const at = start + 1;
  const integer = (value: number | bigint, end: number): number => {
    numbers.push({ value: Number(value), integer: true });
    return end;
  };
  const float = (value: number, end: number): number => {
    numbers.push({ value, integer: false });
    return end;
  };
  if (format < 0x80) return integer(format, at);
  if (format >= 0xe0) return integer(format - 0x100, at);
  if (format < 0x90) return items(bytes, at, 2 * (format & 0x0f), numbers);
  if (format < 0xa0) return items(bytes, at, format & 0x0f, numbers);
  if (format < 0xc0) return at + (format & 0x1f);
  switch (format) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return at;
    case 0xca:
      return float(bytes.readFloatBE(at), at + 4);
    case 0xcb:
      return float(bytes.readDoubleBE(at), at + 8);
    case 0xcc:
      return integer(bytes.readUInt8(at), at + 1);
    case 0xcd:
      return integer(bytes.readUInt16BE(at), at + 2);
    case 0xce:
      return integer(bytes.readUInt32BE(at), at + 4);
    case 0xcf:
      return integer(bytes.readBigUInt64BE(at), at + 8);
    case 0xd0:
      return integer(bytes.readInt8(at), at + 1);
    case 0xd1:
      return integer(bytes.readInt16BE(at), at + 2);
    case 0xd2:
      return integer(bytes.readInt32BE(at), at + 4);
    case 0xd3:
      return integer(bytes.readBigInt64BE(at), at + 8);
    case 0xd9:
      return at + 1 + bytes.readUInt8(at);
    case 0xda:
      return at + 2 + bytes.readUInt16BE(at);
    case 0xdb:
      return at + 4 + bytes.readUInt32BE(at);
    case 0xdc:
      return items(bytes, at + 2, bytes.readUInt16BE(at), numbers);
    case 0xdd:
      return items(bytes, at + 4, bytes.readUInt32BE(at), numbers);
    case 0xde:
      return items(bytes, at + 2, 2 * bytes.readUInt16BE(at), numbers);
    case 0xdf:
      return items(bytes, at + 4, 2 * bytes.readUInt32BE(at), numbers);
    default:
      throw new Error(`format 0x${format.toString(16)} is not of the protocol`);
  }
}

function items(bytes: Buffer, start: number, count: number, numbers: NumberFormat[]): number {
  let at = start;
  for (let item = 0; item < count; item++) at = walk(bytes, at, numbers);
  return at;
}
