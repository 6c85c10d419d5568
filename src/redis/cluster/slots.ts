import type { CommandArgument } from "../wire/command.ts";

/** The number of slots in a cluster. */
export const SLOT_COUNT = 16_384;

const OPEN = 0x7b;
const CLOSE = 0x7d;
const encoder = new TextEncoder();
const CRC16_TABLE = crc16Table();

/**
 * The slot of a key: the CRC-16 of its hash tag, which is the text between the
 * first `{` and the next `}`, or of the whole key if there is none. Redis:
 * `CLUSTER KEYSLOT`.
 */
export function keySlot(key: CommandArgument): number {
  if (typeof key !== "object") return textSlot(String(key));
  const open = key.indexOf(OPEN);
  const close = open < 0 ? -1 : key.indexOf(CLOSE, open + 1);
  return crc16(close > open + 1 ? key.subarray(open + 1, close) : key) %
    SLOT_COUNT;
}

function textSlot(key: string): number {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  const tag = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (let i = 0; i < tag.length; i++) {
    const code = tag.charCodeAt(i);
    // Task ids are ASCII: only other keys need encoding.
    if (code > 0x7f) return crc16(encoder.encode(tag)) % SLOT_COUNT;
    crc = updateCrc16(crc, code);
  }
  return crc % SLOT_COUNT;
}

function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) crc = updateCrc16(crc, byte);
  return crc;
}

function updateCrc16(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ CRC16_TABLE[(crc >> 8) ^ byte]!;
}

/** The remainder of each byte divided by x^16 + x^12 + x^5 + 1. */
function crc16Table(): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    }
    return crc;
  });
}
