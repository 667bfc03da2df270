import { MicroError } from '@micro/errors';

/** What is wrong with a value, and where. It becomes a MicroError where it leaves a codec; until then it needs no stack and gathers its path. */
export class Invalid {
  readonly problem: string;
  path = '';

  constructor(problem: string, segment?: string | number) {
    this.problem = problem;
    if (segment !== undefined) this.within(segment);
  }

  /** Adds what is around: the name of a field, the key of a map, or an index. */
  within(segment: string | number): this {
    const own =
      typeof segment === 'number'
        ? `[${segment}]`
        : /^([A-Za-z_$][\w$-]*|\[[\w.]+\])$/.test(segment)
          ? segment
          : `[${JSON.stringify(segment)}]`;
    this.path = own + (this.path === '' || this.path.startsWith('[') ? '' : '.') + this.path;
    return this;
  }
}

/** Adds to the path of what is wrong, on its way out; anything else passes unchanged. */
export function within(error: unknown, segment: string | number): unknown {
  return error instanceof Invalid ? error.within(segment) : error;
}

/** The value that is not what the field takes, told by its field and what it takes. */
export function wrong(field: string, expected: string, value: unknown): Invalid {
  return new Invalid(`expected ${expected}, not ${describe(value)}`, field);
}

/** A value in a few words, for the reader of an error. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return value instanceof Uint8Array ? 'bytes' : 'an object';
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** What left a codec as the error that its caller sees. */
export function asMicroError(error: unknown, typeName: string): MicroError {
  if (error instanceof MicroError) return error;
  if (error instanceof Invalid)
    return new MicroError('invalid_argument', `${error.path || typeName}: ${error.problem}`);
  const tooDeep = error instanceof RangeError && /call stack/i.test(error.message);
  return new MicroError('invalid_argument', `${typeName}: ${tooDeep ? 'nested too deeply' : 'not a valid message'}`, {
    cause: error,
  });
}
