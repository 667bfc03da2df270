import { isIP } from 'node:net';
import { MicroError } from '@micro/errors';
import { shown } from './path.js';

const kept = 1024;
/** Characters of a name (RFC 1035, section 2.3.4) with its port. */
const longest = 253 + ':65535'.length;

/**
 * Which namespace a host name stands for: a subdomain names it, read from its end (`staging.myapp.m3o.app` is `myapp-staging`). Addresses,
 * names without a public suffix (publicsuffix.org), a registrable domain itself and its `api.` mean none in particular.
 */
export class Hosts {
  readonly #known = new Map<string, string | undefined>();

  /** Undefined for the default namespace. A promise only for the first name of its kind: the list of public suffixes is loaded with it. */
  namespace(hostHeader: string): string | undefined | Promise<string | undefined> {
    if (this.#known.has(hostHeader)) return this.#known.get(hostHeader);
    if (hostHeader.length > longest)
      throw new MicroError('invalid_argument', `"${shown(hostHeader)}" is longer than a host name can be`, {
        id: 'api',
      });
    const host = hostNameOf(hostHeader).replace(/\.$/, '');
    if (host.includes('.') && !host.startsWith('[') && isIP(host) === 0) return this.#lookUp(hostHeader, host);
    return this.#remember(hostHeader, undefined);
  }

  async #lookUp(hostHeader: string, host: string): Promise<string | undefined> {
    // Some 16 MB, which a laptop whose callers say localhost never pays.
    const { parse } = await import('tldts');
    const { subdomain, isIcann, isPrivate } = parse(host, { allowPrivateDomains: true });
    const named = (isIcann || isPrivate) && subdomain && subdomain !== 'api';
    return this.#remember(hostHeader, named ? subdomain.split('.').reverse().join('-') : undefined);
  }

  #remember(hostHeader: string, namespace: string | undefined): string | undefined {
    if (this.#known.size >= kept) this.#known.clear();
    this.#known.set(hostHeader, namespace);
    return namespace;
  }
}

/** The name in a Host header: without the port, in lower case. */
export function hostNameOf(hostHeader: string): string {
  return hostHeader.replace(/:\d*$/, '').toLowerCase();
}

/** A namespace as a caller gives it. MicroError `invalid_argument` for what no namespace can be called. */
export function checkedNamespace(name: string): string {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$/.test(name)) return name;
  throw new MicroError(
    'invalid_argument',
    `"${shown(name)}" is not a namespace: use letters, digits, '.', '_' and '-', at most 100`,
    { id: 'api' },
  );
}
