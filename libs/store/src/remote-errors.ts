import { MicroError } from '@micro/errors';

/** What a client throws, in the words of the contract: a store that nobody knows of cannot be reached. */
export function explained(error: unknown): MicroError {
  const known = MicroError.from(error, 'store');
  if (known.code !== 'not_found' || known.id === 'store') return known;
  return new MicroError('unavailable', `the store cannot be reached: ${known.detail}`, { id: 'store', cause: error });
}
