import { type CallScope, currentCall, Metadata } from '@micro/rpc';
import type { Platform } from '@micro/platform';
import { childTraceparent, isTraceparent } from '@micro/telemetry';

export type Headers = Readonly<Record<string, string>>;

/** Names of what is said of every message and event; what a program gives under these is left out, as with calls. */
const names = {
  trace: 'traceparent',
  state: 'tracestate',
  namespace: 'micro-namespace',
  from: 'micro-from-service',
} as const;
const own: ReadonlySet<string> = new Set(Object.values(names));

/** Headers of what is published: those given; the trace, which goes on from what is being answered here; for whom, and by whom it is published. */
export function outgoingHeaders({ name, environment }: Platform, given: Headers = {}): Headers {
  const current = currentCall();
  const others = Object.entries(given).filter(([key]) => !own.has(key.toLowerCase()));
  const parent = current?.metadata.get(names.trace) ?? given[names.trace];
  const state = current ? current.metadata.get(names.state) : given[names.state];
  return {
    ...Object.fromEntries(others),
    [names.trace]: childTraceparent(parent),
    ...(state !== undefined && { [names.state]: state }),
    [names.namespace]: current?.namespace ?? environment.namespace,
    [names.from]: name,
  };
}

/** What calls made for a message or an event take over from it. */
export function scopeOf(headers: Headers, namespace: string): CallScope {
  const metadata = new Metadata();
  const trace = headers[names.trace];
  if (isTraceparent(trace)) {
    metadata.set(names.trace, trace);
    const state = headers[names.state];
    if (state !== undefined && /^[\x20-\x7e]*$/.test(state)) metadata.set(names.state, state);
  } else {
    // All that is done for it belongs together, although nobody began a trace.
    metadata.set(names.trace, childTraceparent(undefined));
  }
  return { metadata, namespace: headers[names.namespace] || namespace };
}
