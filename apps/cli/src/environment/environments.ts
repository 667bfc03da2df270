import { join } from 'node:path';
import { Failure } from '../failure.js';
import { didYouMean } from '../suggest.js';
import { readIfThere, underLock, writeAtomically } from './locked-file.js';

/** Environments that are always there: name and proxy address. */
const builtIn: Readonly<Record<string, string>> = {
  local: '127.0.0.1:8081',
  staging: 'proxy.m3o.dev:443',
  platform: 'proxy.m3o.com:443',
};

/** The named proxies that a person can talk to, and the one that is meant when none is named. Immutable. */
export class Environments {
  readonly current: string;
  readonly #own: ReadonlyMap<string, string>;

  constructor(current = 'local', own: ReadonlyMap<string, string> = new Map()) {
    this.#own = own;
    this.current = this.#has(current) ? current : 'local';
  }

  list(): { readonly name: string; readonly address: string; readonly builtIn: boolean; readonly current: boolean }[] {
    const entry =
      (own: boolean) =>
      ([name, address]: [string, string]) => ({ name, address, builtIn: !own, current: name === this.current });
    return [
      ...Object.entries(builtIn).map(entry(false)),
      ...[...this.#own].sort(([a], [b]) => (a < b ? -1 : 1)).map(entry(true)),
    ];
  }

  /** Address of an environment; Failure with the names that there are. */
  addressOf(name: string): string {
    const address = Object.hasOwn(builtIn, name) ? builtIn[name] : this.#own.get(name);
    if (address === undefined) throw this.#unknown(name);
    return address;
  }

  add(name: string, address: string): Environments {
    if (Object.hasOwn(builtIn, name)) throw new Failure(`environment ${name} is built in; choose another name`);
    if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/.test(name)) {
      throw new Failure(
        `"${name.slice(0, 80)}" is no name for an environment: up to 63 letters, digits, '.', '_' and '-', a letter or digit first`,
      );
    }
    return new Environments(this.current, new Map(this.#own).set(name, address));
  }

  select(name: string): Environments {
    this.addressOf(name);
    return new Environments(name, this.#own);
  }

  remove(name: string): Environments {
    if (Object.hasOwn(builtIn, name)) throw new Failure(`environment ${name} is built in and stays`);
    this.addressOf(name);
    const own = new Map(this.#own);
    own.delete(name);
    return new Environments(this.current, own);
  }

  toJSON(): { current: string; environments: Record<string, string> } {
    return { current: this.current, environments: Object.fromEntries(this.#own) };
  }

  #has(name: string): boolean {
    return Object.hasOwn(builtIn, name) || this.#own.has(name);
  }

  #unknown(name: string): Failure {
    const names = this.list().map((environment) => environment.name);
    return new Failure(
      `environment "${name}" is unknown${didYouMean(name, names)} (there are ${names.join(', ')}; add one with micro env add NAME HOST:PORT)`,
    );
  }
}

export function environmentsFile(home: string): string {
  return join(home, 'environments.json');
}

/** What the file says; the built-in environments if there is none. Failure if it cannot be understood. */
export function readEnvironments(home: string): Environments {
  const file = environmentsFile(home);
  const text = readIfThere(file);
  if (text === undefined) return new Environments();
  try {
    const { current, environments } = JSON.parse(text) as { current: unknown; environments: Record<string, unknown> };
    const own = Object.entries(environments).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    return new Environments(typeof current === 'string' ? current : undefined, new Map(own));
  } catch (error) {
    throw new Failure(`${file} is not valid; correct it, or delete it to start again`, { cause: error });
  }
}

/** Changes the file; what two processes change at the same time both stays. */
export async function changeEnvironments(
  home: string,
  change: (now: Environments) => Environments,
): Promise<Environments> {
  const file = environmentsFile(home);
  return underLock(file, () => {
    const changed = change(readEnvironments(home));
    writeAtomically(file, `${JSON.stringify(changed, undefined, 2)}\n`);
    return changed;
  });
}
