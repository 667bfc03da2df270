import { readdir } from 'node:fs/promises';
import { bytesOf, named, type Named } from './directory-names.js';
import type { Listing } from './validation.js';

/** A blob that is to be listed: its file, and its key as bytes. */
export interface Listed {
  readonly file: string;
  readonly bytes: string;
}

/**
 * Files of a folder whose keys a page is to have, and one more if there is one, by key. Names tell the keys; `keyOf` is asked for the bytes of
 * those that are too long for a name, and says undefined of a file that has gone.
 */
export async function filesOfPage(
  folder: string,
  { prefix, limit, after }: Listing,
  keyOf: (file: string) => Promise<string | undefined>,
): Promise<readonly Listed[]> {
  const begin = bytesOf(prefix);
  const behind = after === undefined ? undefined : bytesOf(after);
  const wanted = (bytes: string) => bytes.startsWith(begin) && (behind === undefined || bytes > behind);
  const candidates = (await filesOf(folder))
    .filter(({ bytes, cut }) => (cut ? mayBe(bytes, begin, behind) : wanted(bytes)))
    .sort((one, other) => order(one.bytes, other.bytes));
  const page: Listed[] = [];
  for (let at = 0; at < candidates.length && page.length <= limit;) {
    const first = candidates[at] as Named;
    let end = at + 1;
    // All that may be among the keys that begin so: their order is known when the keys are.
    if (first.cut) while (candidates[end]?.bytes.startsWith(first.bytes)) end++;
    const group = await Promise.all(
      candidates.slice(at, end).map(async ({ file, bytes, cut }) => ({ file, bytes: cut ? await keyOf(file) : bytes })),
    );
    page.push(
      ...group
        .filter(isThere)
        .filter(({ bytes }) => wanted(bytes))
        .sort((one, other) => order(one.bytes, other.bytes)),
    );
    at = end;
  }
  return page.slice(0, limit + 1);
}

async function filesOf(folder: string): Promise<readonly Named[]> {
  try {
    return (await readdir(folder)).flatMap((file) => named(file) ?? []);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Whether a key that begins with `head`, and is longer, may be on the page. */
function mayBe(head: string, begin: string, behind: string | undefined): boolean {
  if (!head.startsWith(begin) && !begin.startsWith(head)) return false;
  return behind === undefined || head >= behind.slice(0, head.length);
}

function isThere(found: { readonly file: string; readonly bytes: string | undefined }): found is Listed {
  return found.bytes !== undefined;
}

function order(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
