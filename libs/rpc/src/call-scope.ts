import { AsyncLocalStorage } from 'node:async_hooks';
import type { CallContext } from './handler.js';

let storage: AsyncLocalStorage<CallContext> | undefined;

/**
 * Makes every call that a server of this process answers from now on the current call of what it does. The first Client calls it: a
 * process without clients has nobody to hand deadline, trace and namespace on to, and does not pay for knowing them.
 */
export function enableCallScope(): void {
  storage ??= new AsyncLocalStorage<CallContext>();
}

/** The call that is being answered here; undefined outside of one, and in a process without clients. */
export function currentCall(): CallContext | undefined {
  return storage?.getStore();
}

/** Runs a handler as part of a call. */
export function runInCall<T>(context: CallContext, handler: () => T): T {
  return storage ? storage.run(context, handler) : handler();
}

/** Runs what is to outlive the call that is being answered here, and does not belong to it. */
export function outsideCalls<T>(work: () => T): T {
  return storage ? storage.exit(work) : work();
}

/** Whether calls are being followed; the hot path asks before it makes a closure for runInCall. */
export function callScopeEnabled(): boolean {
  return storage !== undefined;
}
