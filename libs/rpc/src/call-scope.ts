import { AsyncLocalStorage } from 'node:async_hooks';
import type { CallContext } from './handler.js';

/** What calls made here take over: trace and namespace; from a call that is being answered also its deadline and its end. */
export type CallScope = Pick<CallContext, 'metadata' | 'namespace'> & Partial<CallContext>;

let storage: AsyncLocalStorage<CallScope> | undefined;

/**
 * Makes every call that a server of this process answers from now on the current call of what it does. The first Client calls it: a
 * process without clients has nobody to hand deadline, trace and namespace on to, and does not pay for knowing them.
 */
export function enableCallScope(): void {
  following();
}

/** The call, or the message, that is being answered here; undefined outside of one, and in a process without clients. */
export function currentCall(): CallScope | undefined {
  return storage?.getStore();
}

/** Runs a handler as part of a call, where calls are followed. */
export function runInCall<T>(context: CallContext, handler: () => T): T {
  return storage ? storage.run(context, handler) : handler();
}

/** Runs what is part of something else that is answered than a call: a message. */
export function runInScope<T>(scope: CallScope, work: () => T): T {
  return following().run(scope, work);
}

/** Runs what is to outlive the call that is being answered here, and does not belong to it. */
export function outsideCalls<T>(work: () => T): T {
  return storage ? storage.exit(work) : work();
}

/** Whether calls are being followed; the hot path asks before it makes a closure for runInCall. */
export function callScopeEnabled(): boolean {
  return storage !== undefined;
}

/**
 * What the body of `for await` does belongs to the item that it was given, by the item's scope. To be iterated over directly: of a generator in
 * between it would be the body whose turns these are.
 */
export function inTurns<T>(items: AsyncIterator<T>, scopeOf: (item: T) => CallScope): AsyncIterableIterator<T> {
  const followed = following();
  let begun: { readonly outer: CallScope | undefined } | undefined;
  const leave = () => {
    if (begun) followed.enterWith(begun.outer as CallScope);
    begun ??= { outer: currentCall() };
  };
  return {
    next() {
      leave();
      return followed
        .exit(() => items.next())
        .then((result) => {
          if (result.done) return result;
          const { value } = result;
          return {
            done: false,
            // Read by the loop where it goes on, just before its body: from here on this is what goes on there, and nowhere else.
            get value() {
              followed.enterWith(scopeOf(value));
              return value;
            },
          };
        });
    },
    return() {
      leave();
      return followed.exit(() => items.return?.()) ?? Promise.resolve({ value: undefined, done: true });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function following(): AsyncLocalStorage<CallScope> {
  return (storage ??= new AsyncLocalStorage());
}
