export const soon = { timeout: 10_000, interval: 5 };
/** More than a network, a disk and what has not been collected yet hold of 256 MiB. */
export const onTheWay = 128 * 1024 * 1024;

export function bytes(of: string): Uint8Array {
  return new TextEncoder().encode(of);
}

export function text(parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString();
}

export async function all(content: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return parts;
}

export async function rest(
  iterator: AsyncIterator<Uint8Array>,
  most = Number.POSITIVE_INFINITY,
): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  while (parts.length < most) {
    const next = await iterator.next();
    if (next.done) break;
    parts.push(next.value);
  }
  return parts;
}

export function* cut(content: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < content.length; start += size) yield content.subarray(start, start + size);
}

export async function* later(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    await Promise.resolve();
    yield part;
  }
}
