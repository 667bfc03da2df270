import { errors } from '@nats-io/transport-node';
import { MicroError } from '@micro/errors';

/** What the client throws, as what it means. `servers` as they are named to people, `id` whose error it is. */
export function natsError(
  error: unknown,
  { servers, id }: { readonly servers: string; readonly id: string },
): MicroError {
  if (error instanceof MicroError) return error;
  const options = { id, cause: error };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError)
    return new MicroError(
      'unauthenticated',
      `NATS at ${servers} does not know these credentials: see MICRO_NATS_TOKEN, MICRO_NATS_NKEY and MICRO_NATS_CREDENTIALS`,
      options,
    );
  const denied = find(error, (cause) => cause instanceof errors.PermissionViolationError);
  if (denied) {
    const { operation, subject } = denied as InstanceType<typeof errors.PermissionViolationError>;
    return new MicroError(
      'permission_denied',
      `NATS at ${servers} does not let this user ${operation === 'publish' ? 'publish to' : 'subscribe to'} ${subject}: give it the right to`,
      options,
    );
  }
  if (/does not support 'tls'|tls' is not available/.test(message))
    return new MicroError(
      'failed_precondition',
      `NATS at ${servers} does not speak TLS: give it a certificate, or leave out MICRO_NATS_CA, MICRO_NATS_CERT and MICRO_NATS_KEY`,
      options,
    );
  const tls = find(error, isTls);
  if (tls)
    return new MicroError(
      'failed_precondition',
      `no TLS with NATS at ${servers}: ${tls.message}; see MICRO_NATS_CA, MICRO_NATS_CERT and MICRO_NATS_KEY`,
      options,
    );
  if (isProgramming(error)) return MicroError.from(error, id);
  // A server that misses a certificate of this side's says nothing.
  const silent = error instanceof errors.TimeoutError ? ', does it want a certificate (MICRO_NATS_CERT),' : '';
  return new MicroError(
    'unavailable',
    `NATS at ${servers} cannot be reached (${message}): is it running,${silent} and is MICRO_NATS_ADDRESS right?`,
    options,
  );
}

/** The error, or a cause of it, that is meant. */
function find(error: unknown, isMeant: (cause: Error) => boolean): Error | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (isMeant(cause)) return cause;
  return undefined;
}

function isTls(error: Error & { readonly code?: unknown }): boolean {
  return (
    (typeof error.code === 'string' && /^(ERR_(SSL|TLS|OSSL)_|CERT_|UNABLE_TO_|.*SELF_SIGNED_CERT)/.test(error.code)) ||
    /\b(PEM|certificate|alert)\b/i.test(error.message)
  );
}

/** What no server can be blamed for. */
function isProgramming(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof errors.InvalidArgumentError ||
    error instanceof errors.InvalidSubjectError
  );
}
