/**
 * One blob, one file: its content, then what is known of it as JSON, then 16 bytes: the first 8 of the JSON's SHA-256, its length (4 bytes, big
 * endian), and a mark. What the file says of its content cannot be of another content, since both are put in place by one rename.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { MicroError } from '@micro/errors';
import type { BlobInfo } from './blobs.js';

const mark = Buffer.from('MBL1');
const tailBytes = 16;
/** Read at once from the end: most of what is said of a blob is less. */
const guess = 4_096;

/** What follows the content. */
export function footerOf(info: BlobInfo): Buffer {
  const json = Buffer.from(JSON.stringify(info));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([json, checksum(json), length, mark]);
}

/** What an open file says of its blob; `key` is the one that it should be of, if it is known. MicroError `data_loss` if it cannot be believed. */
export async function readInfo(handle: FileHandle, file: string, key?: string): Promise<BlobInfo> {
  const { size } = await handle.stat();
  if (size < tailBytes) throw damaged(file, 'it is cut off');
  const end = await readExactly(handle, file, { from: Math.max(0, size - guess), to: size });
  const tail = end.subarray(-tailBytes);
  if (!tail.subarray(12).equals(mark)) throw damaged(file, 'it is cut off, or no blob');
  const length = tail.readUInt32BE(8);
  if (length + tailBytes > size) throw damaged(file, 'it is cut off');
  const from = size - tailBytes - length;
  const json =
    length + tailBytes <= end.length
      ? end.subarray(-length - tailBytes, -tailBytes)
      : await readExactly(handle, file, { from, to: from + length });
  if (!checksum(json).equals(tail.subarray(0, 8))) throw damaged(file, 'what it says of its content has changed');
  const info = JSON.parse(json.toString()) as BlobInfo;
  if (info.size !== from) throw damaged(file, `it has ${from} bytes of content instead of ${info.size}`);
  if (key !== undefined && info.key !== key) throw damaged(file, 'it is of another key');
  return info;
}

/** Content that is not, or no longer, what was written. */
export function damaged(file: string, how: string): MicroError {
  const detail = `the blob in ${file} is damaged: ${how}. Put the file back from a backup, write the blob again, or delete it`;
  return new MicroError('data_loss', detail, { id: 'store' });
}

async function readExactly(
  handle: FileHandle,
  file: string,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from);
  for (let filled = 0; filled < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, from + filled);
    if (bytesRead === 0) throw damaged(file, 'it is cut off');
    filled += bytesRead;
  }
  return bytes;
}

function checksum(json: Uint8Array): Buffer {
  return createHash('sha256').update(json).digest().subarray(0, 8);
}
