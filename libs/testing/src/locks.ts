import type { Model } from './linearizability.js';

/** What is done with a lock, whose tokens are greater than 0. */
export type LockInput =
  /** Answered with its token; 0 for whoever does not get it. */
  | { readonly type: 'acquire' }
  /** Whoever has the token asks whether it has the lock still; answered with the token if it does, with 0 if it does not. */
  | { readonly type: 'hold'; readonly token: bigint }
  | { readonly type: 'release'; readonly token: bigint }
  /** Never answered: for one that died or was cut off with the lock, of which it may be taken at any moment from then on, or never. */
  | { readonly type: 'expire'; readonly token: bigint };

export interface LockState {
  /** The greatest token so far. */
  readonly last: bigint;
  /** Of whoever has it; 0: nobody. */
  readonly holder: bigint;
}

/** A lock that one has at a time, with tokens that only grow. Of an acquisition that was never answered nobody has the token: it does not count. */
export const lockModel: Model<LockState, LockInput, bigint> = {
  initial: { last: 0n, holder: 0n },
  step(state, input, output) {
    const { last, holder } = state;
    switch (input.type) {
      case 'acquire':
        if (output === undefined || output === 0n) return [state];
        return holder === 0n && output > last ? [{ last: output, holder: output }] : [];
      case 'hold':
        return output === 0n || output === undefined || holder === input.token ? [state] : [];
      case 'release':
      case 'expire':
        return [holder === input.token ? { last, holder: 0n } : state];
    }
  },
  idle: (input, output) =>
    input.type === 'hold' || (input.type === 'acquire' && (output === 0n || output === undefined)),
  key: ({ last, holder }) => `${last} ${holder}`,
};
