import { type Address, parseAddress } from './address.js';
import type { Variable } from './variable.js';

/** What a variable may hold: how it is read, and what is said where it is something else. */
export type Kind<T> = Pick<Variable<T>, 'read' | 'legal' | 'secret' | 'file'>;

/** Name of a service. */
export const label: Kind<string> = {
  read: (text) => (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(text) ? text : undefined),
  legal: "letters, digits, '.', '_' and '-', at most 253",
};

/** As the registry has it, and the gateway: it goes into host names. */
export const namespace: Kind<string> = {
  read: (text) => (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$/.test(text) ? text : undefined),
  legal: "letters, digits, '.', '_' and '-', at most 100",
};

export const word: Kind<string> = {
  read: (text) => (/^[\x21-\x7e]{1,128}$/.test(text) ? text : undefined),
  legal: 'visible ASCII without spaces, at most 128',
};

export const ipv4: Kind<string> = {
  read: (text) =>
    /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split('.').every((part) => Number(part) < 256) ? text : undefined,
  legal: 'the IPv4 address of an interface',
};

/** One line that nobody else is to see. */
export const secret: Kind<string> = {
  read: (text) => (/^[^\r\n\0]+$/.test(text) ? text : undefined),
  legal: 'one line of text',
  secret: true,
};

/** Of a user, as `nsc` and `nk` make it: 32 bytes and a checksum in base 32. */
export const nkeySeed: Kind<string> = {
  read: (text) => (/^SU[A-Z2-7]{56}$/.test(text) ? text : undefined),
  legal: 'the seed of a user: 58 letters and digits that begin with SU',
  secret: true,
};

export const credentials: Kind<string> = {
  read: (text) => (/-----BEGIN NATS USER JWT-----/.test(text) ? text : undefined),
  legal: 'a file of credentials of NATS, as nsc makes it',
  file: true,
};

export const certificates: Kind<string> = {
  read: (text) => (/-----BEGIN CERTIFICATE-----/.test(text) ? text : undefined),
  legal: 'a file of certificates in PEM, which has BEGIN CERTIFICATE in it',
  file: true,
};

export const privateKey: Kind<string> = {
  read: (text) => (/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(text) ? text : undefined),
  legal: 'a file with a private key in PEM, which has BEGIN PRIVATE KEY in it',
  file: true,
};

/** Of CockroachDB or PostgreSQL; the password makes it a secret. What its parameters say is libs/store's to know; here that they are legal. */
export const databaseUrl: Kind<string> = {
  read: (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const legal =
      url &&
      /^postgres(?:ql)?:$/.test(url.protocol) &&
      url.hostname !== '' &&
      url.username !== '' &&
      [...url.searchParams].every(([name, value]) => databaseParameters.get(name)?.test(value));
    return legal ? text : undefined;
  },
  legal:
    'postgresql://USER:PASSWORD@HOST:PORT/DATABASE, behind it at most ?sslmode=disable, require or verify-full, application_name and options',
  secret: true,
};

const databaseParameters = new Map([
  ['sslmode', /^(?:disable|require|verify-full)$/],
  ['application_name', /^/],
  ['options', /^/],
]);

/** As many members as JetStream lets keep a stream. */
export const replicas: Kind<number> = {
  read: (text) => [1, 3, 5].find((count) => String(count) === text),
  legal: '1, 3 or 5',
};

export function oneOf<const T extends string>(values: readonly T[]): Kind<T> {
  return { read: (text) => values.find((value) => value === text), legal: `one of ${values.join(', ')}` };
}

export function integer(least: number, most: number): Kind<number> {
  return {
    read: (text) =>
      /^\d{1,16}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined,
    legal: `a whole number from ${least} to ${most}`,
  };
}

export function address(lowestPort: number): Kind<Address> {
  return { read: (text) => parseAddress(text, lowestPort), legal: 'host:port, such as 127.0.0.1:9000' };
}

/** Of the members of a cluster. */
export const addresses: Kind<readonly Address[]> = {
  read: (text) => {
    const parsed = text.split(',').map((one) => parseAddress(one.trim(), 1));
    return parsed.every((one) => one !== undefined) ? parsed : undefined;
  },
  legal: 'host:port, or several with commas between them: 10.0.0.1:2379,10.0.0.2:2379',
};
