import { createPrivateKey, X509Certificate } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import {
  Etcd3,
  EtcdAuthenticationFailedError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  GRPCFailedPreconditionError,
  GRPCInvalidArgumentError,
  GRPCResourceExhastedError,
  type IOptions,
  isRecoverableError,
} from 'etcd3';

export interface EtcdAccess {
  /** `host:port` of each member; one is used at a time, and another when it fails. */
  readonly addresses: readonly string[];
  /** Texts in PEM. Given, also as `{}`, connections use TLS; without `ca` the authorities that Node knows are trusted. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly username?: string;
  readonly password?: string;
}

/** Who asks, for people who read what went wrong. */
export interface EtcdPurpose {
  /** Of errors. */
  readonly id: string;
  /** Of all keys that are asked for. */
  readonly prefix: string;
}

export interface Member {
  readonly address: string;
  readonly etcd: Etcd3;
}

/** Milliseconds for one request to one member: a hung one is found out by it. */
const attemptTimeout = 1_500;
/** Milliseconds that etcd may be away, as while it elects a leader, before calls fail. */
const patience = 4_000;
/** Milliseconds between two attempts of a call. */
const pause = 100;

/** etcd3 would repeat calls without end or refuse them for seconds; who repeats what is decided here. */
const once = { execute: async (work: (context: object) => unknown) => work({}) };

/**
 * The members of an etcd cluster. All that this process asks goes to one of them, until it fails or does not answer in time; then to the
 * next. Requests must be such that they may be repeated: whether one that failed was carried out is not known.
 */
export class EtcdClient {
  readonly #members: readonly Member[];
  readonly #purpose: EtcdPurpose;
  #at: number;
  #troubleSince: number | undefined;

  constructor(access: EtcdAccess, purpose: EtcdPurpose) {
    this.#purpose = purpose;
    if (access.addresses.length === 0)
      throw new MicroError('invalid_argument', 'no address of etcd is given: set MICRO_ETCD_ADDRESS', purpose);
    checkCertificates(access.tls ?? {}, purpose.id);
    this.#members = access.addresses.map((address) => ({ address, etcd: new Etcd3(optionsFor(address, access)) }));
    // Processes spread over the members.
    this.#at = Math.floor(Math.random() * this.#members.length);
  }

  /** The one that is asked now. */
  get member(): Member {
    return this.#members[this.#at] as Member;
  }

  /**
   * Asks until a member answers. MicroError `unavailable` after four seconds in which none has, and while that is so after one attempt at
   * each; others for what asking again does not change.
   */
  async call<Result>(work: (etcd: Etcd3) => Promise<Result>): Promise<Result> {
    for (let asked = 1; ; asked++) {
      try {
        return await this.attempt(this.member, work);
      } catch (error) {
        const isOver = asked >= this.#members.length && this.#isAway();
        if (!isTransient(error) || isOver) throw this.failure(error);
      }
      await sleep(pause);
    }
  }

  /** Asks one member once, whatever happened before; throws what the client throws. */
  async attempt<Result>(member: Member, work: (etcd: Etcd3) => Promise<Result>): Promise<Result> {
    try {
      const result = await work(member.etcd);
      this.#troubleSince = undefined;
      return result;
    } catch (error) {
      if (isTransient(error)) this.failed(member);
      else this.#troubleSince = undefined;
      throw error;
    }
  }

  /** Whoever was asking this member asks the next from now on. */
  failed(member: Member): void {
    this.#troubleSince ??= performance.now();
    if (member === this.member) this.#at = (this.#at + 1) % this.#members.length;
  }

  /** An error of the client's as the user reads it. */
  failure(error: unknown): MicroError {
    return failure(error, this.#members.map(({ address }) => address).join(', '), this.#purpose);
  }

  close(): void {
    for (const { etcd } of this.#members) etcd.close();
  }

  /** Whether none has answered for longer than is waited for. */
  #isAway(): boolean {
    return this.#troubleSince !== undefined && performance.now() - this.#troubleSince > patience;
  }
}

/** Whether another member, or the same one later, may answer. */
export function isTransient(error: unknown): boolean {
  if (error instanceof GRPCResourceExhastedError || error instanceof MicroError) return false;
  return isRecoverableError(error as Error);
}

/** Whether `call` failed because etcd does not have the lease that was asked for. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof EtcdLeaseInvalidError;
}

/** MicroError `invalid_argument` for texts that are no certificates, or no pair. */
function checkCertificates({ ca, cert, key }: NonNullable<EtcdAccess['tls']>, id: string): void {
  try {
    for (const pem of [ca, cert]) if (pem !== undefined) new X509Certificate(pem);
    if (key !== undefined) createPrivateKey(key);
    if ((cert === undefined) !== (key === undefined))
      throw new Error('a certificate without its key, or a key without its certificate');
  } catch (error) {
    const detail = `certificates for etcd cannot be used (${(error as Error).message}): check MICRO_ETCD_CA, MICRO_ETCD_CERT and MICRO_ETCD_KEY`;
    throw new MicroError('invalid_argument', detail, { id, cause: error });
  }
}

function optionsFor(address: string, { tls, username, password }: EtcdAccess): IOptions {
  const deadline = () => ({ deadline: Date.now() + attemptTimeout });
  const { ca, cert, key } = tls ?? {};
  return {
    hosts: `${tls ? 'https' : 'http'}://${address}`,
    ...(ca || cert ? { credentials: credentialsOf({ ca, cert, key }) } : {}),
    ...(username ? { auth: { username, password: password ?? '', callOptions: deadline } } : {}),
    defaultCallOptions: ({ isStream }) => (isStream ? {} : deadline()),
    faultHandling: { host: () => once as never, global: once as never },
    grpcOptions: {
      'grpc.initial_reconnect_backoff_ms': pause,
      'grpc.max_reconnect_backoff_ms': 500,
      'grpc.max_receive_message_length': -1,
    },
  };
}

function credentialsOf({ ca, cert, key }: NonNullable<EtcdAccess['tls']>): IOptions['credentials'] {
  const bytes = (pem: string | undefined) => (pem === undefined ? undefined : Buffer.from(pem));
  // Its type asks for an authority; without one those that Node knows are meant.
  return { rootCertificate: bytes(ca) as Buffer, certChain: bytes(cert), privateKey: bytes(key) };
}

function failure(error: unknown, addresses: string, { id, prefix }: EtcdPurpose): MicroError {
  if (error instanceof MicroError) return error;
  const { message } = error as Error;
  const options = { id, cause: error };
  const at = `etcd at ${addresses}`;
  if (error instanceof EtcdAuthenticationFailedError)
    return new MicroError(
      'unauthenticated',
      `${at} refuses user and password: check MICRO_ETCD_USERNAME and MICRO_ETCD_PASSWORD`,
      options,
    );
  if (error instanceof GRPCInvalidArgumentError && message.includes('user name is empty'))
    return new MicroError(
      'unauthenticated',
      `${at} asks for a user: set MICRO_ETCD_USERNAME and MICRO_ETCD_PASSWORD`,
      options,
    );
  if (error instanceof GRPCFailedPreconditionError && message.includes('authentication is not enabled'))
    return new MicroError(
      'failed_precondition',
      `${at} has no authentication enabled: unset MICRO_ETCD_USERNAME, or enable it with etcdctl auth enable`,
      options,
    );
  if (error instanceof EtcdPermissionDeniedError)
    return new MicroError(
      'permission_denied',
      `${at} does not let this user read and write the keys of the ${id}: etcdctl role grant-permission --prefix=true ROLE readwrite ${prefix}`,
      options,
    );
  if (error instanceof GRPCResourceExhastedError)
    return new MicroError(
      'resource_exhausted',
      `${at} takes no more: ${plain(message)}; see etcdctl alarm list and endpoint status`,
      options,
    );
  if (!isTransient(error)) return MicroError.from(error, id);
  const what = plain(message);
  if (/certificate|self.signed|altnames|issuer|unknown ca/i.test(what))
    return new MicroError(
      'failed_precondition',
      `${at} and this process do not trust each other: ${what}; check MICRO_ETCD_CA, MICRO_ETCD_CERT and MICRO_ETCD_KEY, and the names in its certificate`,
      options,
    );
  return new MicroError('unavailable', `${at} does not answer: ${what}; ${advice(what)}`, options);
}

/** What to look at, by what Node says of a connection that failed. */
function advice(message: string): string {
  if (/TLS|SSL|wrong version|ECONNRESET|Protocol error/i.test(message))
    return 'is it running, and does it speak TLS exactly if MICRO_ETCD_CA is set?';
  // Either may be the reason: Node has not said, or not yet.
  if (/Connection dropped|Failed to connect|no connection came about/i.test(message))
    return 'is it running, is MICRO_ETCD_ADDRESS right, and does it speak TLS exactly if MICRO_ETCD_CA is set?';
  return 'is it running, and is MICRO_ETCD_ADDRESS right?';
}

/** Without what the client's layers put around it. */
function plain(message: string): string {
  const words = message
    .replace(/^\w+Error: /, '')
    .replace(/^\d+ [A-Z_]+: /, '')
    .replace('No connection established. Last error: ', '')
    .replace(/^Error(?: \[\w+\])?: /, '')
    .replace(/^[0-9A-F]+:error:\w+:SSL routines:\w+:([^:]+).*$/s, '$1')
    .replace(/ \(\d{4}-[\dT:.-]+Z\)/, '')
    .replace(/\. Resolution note:.*$/, '')
    .replace(/,metadata filters:.*$/s, '');
  // Of a server that takes the connection, and says nothing that is understood.
  return words === 'null' ? 'no connection came about' : words;
}
