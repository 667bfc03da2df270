import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdClient, Member } from '@micro/etcd';
import {
  castGrpcError,
  castGrpcErrorMessage,
  GRPCUnavailableError,
  type IEvent,
  type IKeyValue,
  type IWatchResponse,
} from 'etcd3';
import type { KeyRange } from './etcd-records.js';

/** Milliseconds between two looks whether a watch is still alive. */
const beat = 2_000;
/** Milliseconds for an answer. */
const answerTimeout = 1_500;
/** A timer this late means that the process was stopped or starved, and has not read what was sent: nothing is judged by it. */
const stall = 500;

/** Revisions that a watch was to begin with are not there any more, or not yet: what it would have told has to be read anew. */
export class HistoryLost extends Error {}

export interface EtcdWatchOptions {
  readonly client: EtcdClient;
  readonly member: Member;
  readonly range: KeyRange;
  /** The first revision that is told. */
  readonly from: number;
  /** Called with all events of one revision, or with none: then everything up to that revision has been told. */
  readonly take: (events: readonly IEvent[], revision: number) => void;
  /** Called once, when the member has taken the watch. */
  readonly begun: () => void;
  readonly signal: AbortSignal;
}

/**
 * One watch on one member, until it fails, always with an error. etcd may stop telling without closing the stream, as when its process hangs
 * or its member lost touch with the others: every two seconds the member has to answer on the stream, and to read what most members know.
 */
export async function watchMember(options: EtcdWatchOptions): Promise<never> {
  const { client, member, range, from, take, begun } = options;
  const stream = await member.etcd.watchClient.watch();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const state = { heard: performance.now() };
  const failed = new Promise<never>((_resolve, reject) => {
    stream.on('error', (error) => reject(castGrpcError(error)));
    stream.on('end', () => reject(new GRPCUnavailableError('the watch ended')));
    stream.on('data', (response: IWatchResponse) => {
      state.heard = performance.now();
      if (response.canceled) return reject(cancellation(response));
      if (response.created) begun();
      // Answers to requests for progress belong to no watch, and may be ahead of events that are still on their way (etcd issue 15220).
      else if (response.watch_id === '0') takeAll(response, take);
    });
  });
  const beating = async (): Promise<never> => {
    for (let asked = 0; ;) {
      const began = performance.now();
      await sleep(beat, undefined, { signal });
      const isStarved = performance.now() - began > beat + stall;
      if (state.heard < asked && !isStarved) throw new GRPCUnavailableError('the watch has gone silent');
      asked = performance.now();
      stream.write({ progress_request: {} });
      const revision = await currentRevision(client, member, range).catch((error: unknown) => {
        if (performance.now() - asked < answerTimeout + stall) throw error;
        return from;
      });
      if (revision < from - 1) throw new HistoryLost(`etcd is at revision ${revision} again`);
    }
  };
  try {
    const [key, end] = [Buffer.from(range.start), Buffer.from(range.end)];
    stream.write({ create_request: { key, range_end: end, start_revision: from, progress_notify: true } });
    return await Promise.race([failed, beating()]);
  } catch (error) {
    if (!signal.aborted && !(error instanceof HistoryLost)) client.failed(member);
    throw error;
  } finally {
    stop.abort();
    stream.cancel();
  }
}

/** The revision that most members have agreed on. Fails on a member that cannot know. */
export async function currentRevision(client: EtcdClient, member: Member, range: KeyRange): Promise<number> {
  const deadline = Date.now() + answerTimeout;
  const { header } = await client.attempt(member, ({ kv }) =>
    kv.range({ key: Buffer.from(range.start) }, { deadline }),
  );
  return Number(header.revision);
}

/** A key as most members had it at a revision. Undefined: it was not there, or that revision is not there, any more or yet. */
export async function keyAt(
  client: EtcdClient,
  member: Member,
  { key, revision }: { readonly key: string; readonly revision: number },
): Promise<IKeyValue | undefined> {
  const deadline = Date.now() + answerTimeout;
  try {
    const request = { key: Buffer.from(key), revision };
    const { kvs } = await client.attempt(member, ({ kv }) => kv.range(request, { deadline }));
    return kvs[0];
  } catch (error) {
    if (isCompacted(error) || (error as Error).message.includes('required revision is a future revision'))
      return undefined;
    throw error;
  }
}

/** Whether an error of etcd's says that a revision was compacted. */
export function isCompacted(error: unknown): boolean {
  return error instanceof Error && error.message.includes('required revision has been compacted');
}

function takeAll({ events, header }: IWatchResponse, take: EtcdWatchOptions['take']): void {
  if (events.length === 0) return take([], Number(header.revision));
  let begin = 0;
  for (let at = 1; at <= events.length; at++) {
    const revision = events[begin]?.kv.mod_revision;
    if (at < events.length && events[at]?.kv.mod_revision === revision) continue;
    take(events.slice(begin, at), Number(revision));
    begin = at;
  }
}

function cancellation({ compact_revision: compacted, cancel_reason: reason }: IWatchResponse): Error {
  if (compacted !== '0') return new HistoryLost(`etcd has forgotten what was before revision ${compacted}`);
  return reason ? castGrpcErrorMessage(reason) : new GRPCUnavailableError('the watch was ended');
}
