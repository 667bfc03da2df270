import type { TlsOptions } from 'node:tls';
import { MicroError } from '@micro/errors';

/** Where a CockroachDB is, and how it is used. */
export interface CockroachOptions {
  /**
   * `postgres://user:password@host:port/database`, whose user may create tables. Of parameters it knows `sslmode` (`disable`, `require`,
   * `verify-full`: but for the first the server's certificate is checked; default: `verify-full`, on loopback `disable` unless there is a
   * certificate), `application_name` and `options`.
   */
  readonly url: string;
  /** Certificates that the server's is checked against, in PEM. Default: those that Node trusts. */
  readonly ca?: string;
  /** Certificate and key of the user, in PEM, where it has no password. */
  readonly cert?: string;
  readonly key?: string;
  /** Connections at most, 2 to 1,000. Default 10. */
  readonly pool?: number;
  /**
   * Milliseconds that a statement may take, 100 to 15,000; a call may take a few. Default 3,500: a server that hangs is found out before a call
   * ends, whose callers are then told what is wrong.
   */
  readonly timeout?: number;
}

export interface CheckedOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly ssl: TlsOptions | false;
  readonly pool: number;
  readonly timeout: number;
  readonly application: string;
  /** As the server takes them when a connection begins. */
  readonly settings: string;
}

/** The longest timeout. Watches rely on it: no transaction of any process lasts longer than a few of them. */
export const longestTimeout = 15_000;
const modes = ['disable', 'require', 'verify-full'];
const parameters = ['sslmode', 'application_name', 'options'];

/** MicroError `invalid_argument` that names the setting, and never says what is in the URL. */
export function checkedOptions({ url, ca, cert, key, pool = 10, timeout = 3_500 }: CockroachOptions): CheckedOptions {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !['postgres:', 'postgresql:'].includes(parsed.protocol) || !parsed.hostname || !parsed.username)
    throw invalid('MICRO_COCKROACH_URL is no postgres://user:password@host:port/database');
  const unknown = [...parsed.searchParams.keys()].find((name) => !parameters.includes(name));
  if (unknown)
    throw invalid(
      `MICRO_COCKROACH_URL has the parameter ${unknown}: there are ${parameters.join(', ')}, and MICRO_COCKROACH_CA, _CERT and _KEY for certificates`,
    );
  if (!cert !== !key) throw invalid('MICRO_COCKROACH_CERT and MICRO_COCKROACH_KEY go together: one of them is missing');
  if (!Number.isInteger(pool) || pool < 2 || pool > 1_000)
    throw invalid(`MICRO_COCKROACH_POOL is ${pool}, and no whole number from 2 to 1,000`);
  if (!Number.isInteger(timeout) || timeout < 100 || timeout > longestTimeout)
    throw invalid(`MICRO_COCKROACH_TIMEOUT is ${timeout}, and no whole number of milliseconds from 100 to 15,000`);
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  const extra = parsed.searchParams.get('options');
  return {
    host,
    port: Number(parsed.port || 26_257),
    user: decoded(parsed.username),
    password: decoded(parsed.password),
    database: decoded(parsed.pathname.slice(1)) || 'defaultdb',
    ssl: isEncrypted(parsed, Boolean(ca ?? cert)) && { ca, cert, key, rejectUnauthorized: true },
    pool,
    timeout,
    application: parsed.searchParams.get('application_name') ?? 'micro',
    // Of statements that are a transaction each; those with several statements say so themselves.
    settings: ['-c default_transaction_isolation=serializable', ...(extra ? [extra] : [])].join(' '),
  };
}

function isEncrypted({ hostname, searchParams }: URL, hasCertificate: boolean): boolean {
  const mode = searchParams.get('sslmode');
  if (mode !== null && !modes.includes(mode))
    throw invalid(`MICRO_COCKROACH_URL has an sslmode that there is not: there are ${modes.join(', ')}`);
  const isNear = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  return mode === null ? hasCertificate || !isNear : mode !== 'disable';
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid('MICRO_COCKROACH_URL has a % that begins no character: write %25 for the sign itself');
  }
}

function invalid(detail: string): MicroError {
  return new MicroError('invalid_argument', detail, { id: 'store' });
}
