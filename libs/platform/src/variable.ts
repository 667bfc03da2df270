import { readFileSync } from 'node:fs';

/** How one variable is read. */
export interface Variable<T> {
  readonly name: string;
  /** Undefined for text that is not legal. */
  readonly read: (text: string) => T | undefined;
  /** What would be legal. */
  readonly legal: string;
  readonly fallback: () => T;
  /** Its value is never shown, and may stand in a file instead, which NAME_FILE names: what Docker and Kubernetes make of a secret. */
  readonly secret?: boolean;
  /** The variable names a file, whose text `read` gets. */
  readonly file?: boolean;
}

export type Source = Readonly<Record<string, string | undefined>>;

export type Reading<T> = { readonly value: T } | { readonly problem: string };

/** The value of a variable, or one line that says what is wrong with it: name, value unless it is secret, and what would be legal. */
export function readVariable<T>(variable: Variable<T>, source: Source): Reading<T> {
  const { name, legal, secret } = variable;
  const text = source[name] || undefined;
  const place = `${name}_FILE`;
  const path = secret ? source[place] || undefined : undefined;
  if (text !== undefined && path !== undefined) return { problem: `${name} and ${place} are both set; leave one out` };
  if (path !== undefined) return fromFile(variable, place, path);
  if (text === undefined) return { value: variable.fallback() };
  if (variable.file) return fromFile(variable, name, text);
  const value = variable.read(text);
  if (value !== undefined) return { value };
  return { problem: `${name}${secret ? '' : `=${quoted(text)}`} is not legal; use ${legal}` };
}

/** Names under which a variable may be set. */
export function namesOf({ name, secret }: Variable<unknown>): string[] {
  return secret ? [name, `${name}_FILE`] : [name];
}

function fromFile<T>(variable: Variable<T>, name: string, path: string): Reading<T> {
  const said = `${name}=${quoted(path)}`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/[\r\n]+$/, '');
  } catch (error) {
    return {
      problem: `${said} cannot be read (${(error as NodeJS.ErrnoException).code}); name a file that this user may read`,
    };
  }
  if (text === '') return { problem: `${said} is an empty file; it must hold ${variable.legal}` };
  const value = variable.read(text);
  return value !== undefined ? { value } : { problem: `what is in ${said} is not legal; use ${variable.legal}` };
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
