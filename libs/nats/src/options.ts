import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
} from '@nats-io/transport-node';
import { MicroError } from '@micro/errors';

/** How NATS is reached, and who says so. Texts, not names of files. */
export interface NatsOptions {
  /** `host:port` of one server, or of several of a cluster. */
  readonly servers: readonly string[];
  /** Which part of the platform errors are of: `broker`, `store`. */
  readonly id: string;
  readonly token?: string;
  /** Seed of an nkey: `SU…`. */
  readonly nkey?: string;
  /** What is in a credentials file: a JWT and a seed. */
  readonly credentials?: string;
  /** Default: TLS where the server asks for it, with the authorities that Node trusts. */
  readonly tls?: NatsTls;
  /** What the server lists the connection as. */
  readonly name?: string;
  /** Told, in plain words, what does not work, and when it does again. Default: a process warning. */
  readonly warn?: (message: string) => void;
}

/** Each as PEM. */
export interface NatsTls {
  /** Of the authority that signed the server's certificate. */
  readonly ca?: string;
  /** With `key`: what this side shows. */
  readonly cert?: string;
  readonly key?: string;
}

/** Milliseconds that one server has to answer a connection. */
const dialTimeout = 5_000;
/** Milliseconds between two attempts at one server, and at most as many on top, at random. */
const retry = { wait: 250, jitter: 250 } as const;
/** Milliseconds between two pings, and how many of them go unanswered until the connection counts as lost. */
const ping = { interval: 3_000, most: 2 } as const;

/** What the client is told. MicroError `invalid_argument` for what cannot be right, naming the setting. */
export function clientOptions({ servers, name, tls, id, ...credentials }: NatsOptions): ConnectionOptions {
  if (servers.length === 0) throw invalid(id, 'no NATS server is named: set MICRO_NATS_ADDRESS to host:port');
  if (tls && (tls.cert === undefined) !== (tls.key === undefined))
    throw invalid(id, 'a certificate and its key go together: set MICRO_NATS_CERT and MICRO_NATS_KEY, or neither');
  return {
    servers: [...servers],
    name,
    tls: tls && { ...tls, ...identityOf(servers) },
    authenticator: authenticatorOf(credentials, id),
    timeout: dialTimeout,
    pingInterval: ping.interval,
    maxPingOut: ping.most,
    maxReconnectAttempts: -1,
    reconnectTimeWait: retry.wait,
    reconnectJitter: retry.jitter,
    reconnectJitterTLS: retry.jitter,
    // Credentials may be wrong for a while: those of a server that is being set up anew.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  };
}

/**
 * Whether a certificate is the server's. Of servers named by number the client does not say which it has connected to, and Node looks for
 * `localhost`: one that is for any of those numbers is right.
 */
function identityOf(servers: readonly string[]): object {
  const hosts = servers.map((server) =>
    server
      .replace(/^\w+:\/\//, '')
      .replace(/:\d+$/, '')
      .replace(/^\[|\]$/g, ''),
  );
  const numbers = hosts.filter((host) => isIP(host) !== 0);
  const check = (host: string, certificate: PeerCertificate) => {
    const error = checkServerIdentity(host, certificate);
    if (!error || host !== 'localhost') return error;
    return numbers.some((number) => !checkServerIdentity(number, certificate)) ? undefined : error;
  };
  return { checkServerIdentity: check };
}

function authenticatorOf(
  { token, nkey, credentials }: Pick<NatsOptions, 'token' | 'nkey' | 'credentials'>,
  id: string,
): Authenticator[] {
  const given = Object.entries({ token, nkey, credentials }).filter(([, value]) => value !== undefined);
  if (given.length > 1)
    throw invalid(
      id,
      `${given.map(([which]) => `MICRO_NATS_${which.toUpperCase()}`).join(' and ')} are both set: NATS takes one of them`,
    );
  const bytes = new TextEncoder().encode((nkey ?? credentials ?? '').trim());
  if (token !== undefined) return [tokenAuthenticator(token)];
  if (nkey !== undefined)
    return [tried(nkeyAuthenticator(bytes), id, 'MICRO_NATS_NKEY is no seed of an nkey, which begins with SU')];
  // The file is read line by line, whatever ends its lines.
  const lines = new TextEncoder().encode(`${(credentials ?? '').replaceAll('\r\n', '\n').trim()}\n`);
  if (credentials !== undefined)
    return [tried(credsAuthenticator(lines), id, 'MICRO_NATS_CREDENTIALS is no credentials file: a JWT and a seed')];
  return [];
}

/** Whether it can sign is better known now than with every connection. */
function tried(authenticator: Authenticator, id: string, otherwise: string): Authenticator {
  try {
    authenticator('nonce');
    return authenticator;
  } catch (error) {
    throw new MicroError('invalid_argument', otherwise, { id, cause: error });
  }
}

function invalid(id: string, detail: string): MicroError {
  return new MicroError('invalid_argument', detail, { id });
}
