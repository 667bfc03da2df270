import { MicroError } from '@micro/errors';

export type MetadataValue = string | Uint8Array;
export type MetadataInit = Metadata | Readonly<Record<string, MetadataValue | readonly MetadataValue[]>>;

/**
 * Headers or trailers of a call: ordered values under lower-case names. Values are visible ASCII; under a name ending in `-bin` they are
 * bytes, which both lanes carry as base64.
 */
export class Metadata implements Iterable<readonly [name: string, value: MetadataValue]> {
  readonly #values = new Map<string, MetadataValue[]>();

  constructor(init?: MetadataInit) {
    if (!init) return;
    const entries = init instanceof Metadata ? init.#values : Object.entries(init);
    for (const [name, value] of entries) {
      for (const one of (Array.isArray as (value: unknown) => value is readonly MetadataValue[])(value)
        ? value
        : [value])
        this.append(name, one);
    }
  }

  /** The first value under a name as text; undefined if there is none. */
  get(name: string): string | undefined {
    const value = this.#values.get(name.toLowerCase())?.[0];
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
  }

  all(name: string): readonly MetadataValue[] {
    return this.#values.get(name.toLowerCase()) ?? [];
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }

  /** Replaces what is under the name. MicroError `invalid_argument` for a name or value that no header can carry. */
  set(name: string, value: MetadataValue): this {
    const key = checkedName(name);
    this.#values.set(key, [checkedValue(key, value)]);
    return this;
  }

  append(name: string, value: MetadataValue): this {
    const key = checkedName(name);
    const values = this.#values.get(key);
    if (values) values.push(checkedValue(key, value));
    else this.#values.set(key, [checkedValue(key, value)]);
    return this;
  }

  delete(name: string): this {
    this.#values.delete(name.toLowerCase());
    return this;
  }

  get size(): number {
    return this.#values.size;
  }

  *[Symbol.iterator](): Iterator<readonly [string, MetadataValue]> {
    for (const [name, values] of this.#values) for (const value of values) yield [name, value];
  }

  toJSON(): Record<string, string[]> {
    const text = (value: MetadataValue) => (typeof value === 'string' ? value : Buffer.from(value).toString('base64'));
    return Object.fromEntries([...this.#values].map(([name, values]) => [name, values.map(text)]));
  }
}

function checkedName(name: string): string {
  const key = name.toLowerCase();
  if (!/^[0-9a-z_.-]+$/.test(key))
    throw new MicroError(
      'invalid_argument',
      `metadata name ${JSON.stringify(name)} may only have letters, digits, '_', '.' and '-'`,
    );
  return key;
}

function checkedValue(name: string, value: MetadataValue): MetadataValue {
  if (name.endsWith('-bin')) {
    if (typeof value !== 'string') return value;
    return new Uint8Array(Buffer.from(value, 'base64'));
  }
  if (typeof value !== 'string' || !/^[\x20-\x7e]*$/.test(value)) {
    throw new MicroError(
      'invalid_argument',
      `metadata ${name} must be visible ASCII; use a name ending in -bin for bytes`,
    );
  }
  return value;
}
