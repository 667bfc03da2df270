import { readdirSync, readFileSync } from 'node:fs';
import { parseSchema, type Schema } from '@micro/proto';

/** The messages between the conformance runner and the programs under test. `folder`: proto/ beside this file. */
export function conformanceSchema(folder: string): Schema {
  const path = 'connectrpc/conformance/v1';
  const files = readdirSync(`${folder}/${path}`).map((file) => [
    `${path}/${file}`,
    readFileSync(`${folder}/${path}/${file}`, 'utf8'),
  ]);
  return parseSchema(Object.fromEntries(files));
}

/** Reads one message of the runner's: its length in four bytes, big-endian, then the message. Undefined at the end of input. */
export async function readFramed(
  input: AsyncIterator<Buffer>,
  buffered: { bytes: Buffer },
): Promise<Buffer | undefined> {
  for (;;) {
    const { bytes } = buffered;
    const end = bytes.length < 4 ? Infinity : 4 + bytes.readUInt32BE(0);
    if (bytes.length >= end) {
      buffered.bytes = bytes.subarray(end);
      return bytes.subarray(4, end);
    }
    const { done, value } = await input.next();
    if (done) return undefined;
    buffered.bytes = Buffer.concat([bytes, value]);
  }
}

export function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}
