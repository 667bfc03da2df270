import { MicroError } from '@micro/errors';
import type { NatsClient } from '@micro/nats';
import { errors } from '@nats-io/transport-node';

/** What JetStream answers instead of what was asked for; numbers as in nats-server's `errors.json`. */
export class JetstreamError extends Error {
  readonly number: number;

  constructor({
    err_code: number = 0,
    description = '',
  }: {
    readonly err_code?: number;
    readonly description?: string;
  }) {
    super(description);
    this.number = number;
  }
}

export const numbers = {
  noStream: 10059,
  otherStream: 10058,
  noMessage: 10037,
  otherLast: 10071,
  underWay: 10158,
  behind: 10008,
} as const;

/** No leader at the moment, of the cluster or of the stream; not now, but soon. */
const passing = new Set([10007, numbers.behind, 10009, numbers.underWay]);
const noRoom = new Set([10002, 10023, 10027, 10028, 10047, 10077, 10110, 10122]);
const noReplicas = new Set([10005, 10074]);
const notEnabled = new Set([10039, 10076]);

export function isNumber(error: unknown, number: number): boolean {
  return error instanceof JetstreamError && error.number === number;
}

/** Nobody answers at a subject: the stream is not there, or its leader at the moment, or JetStream. */
export function isNobody(error: unknown): boolean {
  return error instanceof errors.NoRespondersError || (error instanceof errors.RequestError && error.isNoResponders());
}

/** Whether trying again may help. */
export function isPassing(error: unknown): boolean {
  if (error instanceof JetstreamError) return passing.has(error.number);
  return (
    isNobody(error) ||
    error instanceof errors.TimeoutError ||
    error instanceof errors.RequestError ||
    error instanceof errors.ConnectionError
  );
}

/** What the client throws, and JetStream answers, in the words of the contract. */
export function explained(
  error: unknown,
  { address, nats }: { readonly address: string; readonly nats: NatsClient },
): MicroError {
  if (error instanceof MicroError) return error;
  const found = meaning(error, address);
  if (!found) return nats.explain(error);
  const message = error instanceof Error ? error.message : String(error);
  return new MicroError(found[0], `${found[1]}: ${message}`, { id: 'broker', cause: error });
}

export function tooLarge(address: string): string {
  return `the event is larger than NATS at ${address} takes: set its max_payload to 2MB`;
}

/** Undefined for what NATS has to say about it. */
function meaning(error: unknown, address: string): [ConstructorParameters<typeof MicroError>[0], string] | undefined {
  if (error instanceof JetstreamError) {
    if (noRoom.has(error.number))
      return ['resource_exhausted', `JetStream at ${address} has no room left: free some, or raise its limits`];
    if (noReplicas.has(error.number))
      return ['failed_precondition', `NATS at ${address} has too few servers: see MICRO_NATS_REPLICAS`];
    if (notEnabled.has(error.number))
      return [
        'failed_precondition',
        `NATS at ${address} has no JetStream for this account: enable it (\`jetstream {}\`)`,
      ];
    if (!passing.has(error.number)) return ['internal', `JetStream at ${address}`];
  }
  if (error instanceof errors.InvalidArgumentError && error.message.includes('max_payload'))
    return ['failed_precondition', tooLarge(address)];
  if (error instanceof JetstreamError || isNobody(error) || error instanceof errors.TimeoutError)
    return ['unavailable', `JetStream at ${address} does not answer: see that it is enabled, and has a leader`];
  return undefined;
}
