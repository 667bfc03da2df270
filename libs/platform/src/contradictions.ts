import { formatAddress } from './address.js';
import type { Environment } from './env.js';

/** One line for all variables that cannot be meant together, with what to do about it. Settings of what is not used contradict nothing. */
export function contradictions(environment: Environment): string[] {
  const { etcdUsername, etcdPassword, etcdCert, etcdKey, cockroachCert, cockroachKey } = environment;
  const { natsToken, natsNkey, natsCredentials, natsCert, natsKey } = environment;
  return [
    registryWithoutServer(environment),
    bodyOverMessage(environment),
    onlyTogether({ MICRO_ETCD_USERNAME: etcdUsername, MICRO_ETCD_PASSWORD: etcdPassword }),
    onlyTogether({ MICRO_ETCD_CERT: etcdCert, MICRO_ETCD_KEY: etcdKey }),
    notTogether({ MICRO_NATS_TOKEN: natsToken, MICRO_NATS_NKEY: natsNkey, MICRO_NATS_CREDENTIALS: natsCredentials }),
    onlyTogether({ MICRO_NATS_CERT: natsCert, MICRO_NATS_KEY: natsKey }),
    onlyTogether({ MICRO_COCKROACH_CERT: cockroachCert, MICRO_COCKROACH_KEY: cockroachKey }),
  ].filter((line) => line !== undefined);
}

/** With every other adapter it tells where apps/registry is, for users' services. */
function registryWithoutServer({ registry, registryAddress }: Environment): string | undefined {
  if (!registryAddress || registry !== 'memory') return undefined;
  return `MICRO_REGISTRY_ADDRESS=${formatAddress(registryAddress)} contradicts MICRO_REGISTRY=${registry}, which has no server; leave one out, or set MICRO_REGISTRY=remote`;
}

function bodyOverMessage({ messageLimit, apiBodyLimit = messageLimit }: Environment): string | undefined {
  if (apiBodyLimit <= messageLimit) return undefined;
  return `MICRO_API_BODY_LIMIT=${apiBodyLimit} contradicts MICRO_MESSAGE_LIMIT=${messageLimit}: a body becomes a message; set MICRO_MESSAGE_LIMIT=${apiBodyLimit}, here and for the services, or leave MICRO_API_BODY_LIMIT out`;
}

/** Values by the names of their variables. */
type Values = Readonly<Record<string, string | undefined>>;

function onlyTogether(values: Values): string | undefined {
  const set = namesOf(values, true);
  const missing = namesOf(values, false);
  if (set.length === 0 || missing.length === 0) return undefined;
  return `${set.join(' and ')} says nothing without ${missing.join(' and ')}; set both, or neither`;
}

function notTogether(values: Values): string | undefined {
  const set = namesOf(values, true);
  if (set.length < 2) return undefined;
  return `${set.join(' and ')} contradict each other: a process is known by one of them; leave out the rest`;
}

function namesOf(values: Values, set: boolean): string[] {
  return Object.keys(values).filter((name) => (values[name] !== undefined) === set);
}
