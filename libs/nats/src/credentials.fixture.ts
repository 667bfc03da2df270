/** For specs: what a server that checks credentials files is configured with, and such files. */
import { createHash, randomUUID } from 'node:crypto';
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** Lines of a server's configuration for one account, and the credentials file of a user of it, as `nsc` would make them. */
export function credentialsRig(): { readonly config: string; readonly credentials: string; readonly stranger: string } {
  const [operator, account, system, other] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createAccount(),
  ];
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountOf = (key: KeyPair) => jwt(operator, key, { type: 'account', limits, default_permissions: {} });
  const config = [
    `operator: ${jwt(operator, operator, { type: 'operator' })}`,
    `system_account: ${system.getPublicKey()}`,
    'resolver: MEMORY',
    `resolver_preload: { ${account.getPublicKey()}: ${accountOf(account)}, ${system.getPublicKey()}: ${accountOf(system)} }`,
  ].join('\n');
  return { config, credentials: fileOf(account), stranger: fileOf(other) };
}

function fileOf(account: KeyPair): string {
  const user = nkeys.createUser();
  const token = jwt(account, user, { type: 'user', subs: -1, data: -1, payload: -1, pub: {}, sub: {} });
  const seed = new TextDecoder().decode(user.getSeed());
  return [
    '-----BEGIN NATS USER JWT-----',
    token,
    '------END NATS USER JWT------',
    '',
    '-----BEGIN USER NKEY SEED-----',
    seed,
    '------END USER NKEY SEED------',
    '',
  ].join('\n');
}

/** A JWT as NATS has them: signed with an nkey, version 2. */
function jwt(issuer: KeyPair, subject: KeyPair, claims: Readonly<Record<string, unknown>>): string {
  const part = (of: unknown) => Buffer.from(JSON.stringify(of)).toString('base64url');
  const body = {
    jti: createHash('sha256').update(randomUUID()).digest('hex'),
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: 'test',
    nats: { version: 2, ...claims },
  };
  const signed = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(body)}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`;
}
