const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** What the value of a header may not hold (RFC 9110, section 5.5). */
export const notInValue = /[^\t\x20-\x7e\x80-\xff]/;

/** Names seen before, in lower case; checking each anew would cost as much as all the rest of reading headers. */
const known = new Map<string, string>();
const maxKnown = 1_000;

/** A header's name in lower case; undefined if it is none (RFC 9110, section 5.1). */
export function headerName(raw: string): string | undefined {
  const found = known.get(raw);
  if (found !== undefined) return found;
  if (!token.test(raw)) return undefined;
  const name = raw.toLowerCase();
  if (known.size < maxKnown && raw.length <= 64) known.set(raw, name);
  return name;
}
