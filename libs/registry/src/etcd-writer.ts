import type { EtcdClient } from '@micro/etcd';
import type { ICompare, IRequestOp, IResponseOp, ITxnRequest, ITxnResponse } from 'etcd3';
import type { EtcdKeys, KeyRange, VersionKey } from './etcd-records.js';
import type { EtcdView } from './etcd-view.js';

/** A key and what is to be under it. */
export interface Entry {
  readonly key: string;
  readonly text: string;
}

/** Nodes of one version that have one content. */
export interface Batch {
  readonly version: VersionKey;
  readonly hash: string;
  readonly packed: Buffer;
  readonly entries: readonly Entry[];
  readonly lease: string;
}

/**
 * etcd takes 128 operations in a transaction, of nested ones the outer counted with each inner, of which comparisons are as many as puts here,
 * and 1.5 MB in a request: up to 1 MB of content and the nodes, twice where it is not known whether the content is there.
 */
const limits = { operations: 60, bytes: 200 * 1024 } as const;

/**
 * What is written to etcd, in transactions that keep to its limits and that may be repeated. A member that stood still may take one from its
 * socket long after it was given up on: of nodes each changes only what nobody has changed since it was sent.
 */
export class EtcdWriter {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #view: EtcdView;

  constructor(client: EtcdClient, keys: EtcdKeys, view: EtcdView) {
    this.#client = client;
    this.#keys = keys;
    this.#view = view;
  }

  /** Puts nodes, and their content where it is not in etcd; resolves to the revision at which all of them are there. */
  async put(batch: Batch): Promise<number> {
    let revision = 0;
    for (const entries of parts(batch.entries)) revision = await this.#putPart({ ...batch, entries });
    return revision;
  }

  /** Deletes nodes, whoever put them; resolves to the revision at which they are gone, 0 if none was there. */
  async delete(keys: readonly string[]): Promise<number> {
    let revision = 0;
    for (const part of parts(keys.map((key) => ({ key, text: '' }))))
      revision = Math.max(revision, await this.#deletePart(part.map(({ key }) => key)));
    return revision;
  }

  /** Deletes those nodes that are still under this lease, as far as the view knows of it. */
  async deleteUnder(lease: string, keys: readonly string[]): Promise<void> {
    const { revision } = this.#view;
    for (const part of parts(keys.map((key) => ({ key, text: '' })))) {
      const deletes = part.map(({ key }) => {
        const held: ICompare = { key: Buffer.from(key), target: 'Lease', result: 'Equal', lease };
        return nested([held, unchanged(key, revision)], { key: Buffer.from(key) });
      });
      await this.#commit({ success: deletes });
    }
  }

  /** Deletes contents that no node has had since the revision that the view is at. */
  async deleteUnused(contents: ReadonlyMap<string, VersionKey>): Promise<void> {
    const mod_revision = this.#view.revision + 1;
    const deletes = [...contents].map(([key, version]) => {
      const unused: ICompare = { ...range(this.#keys.nodes(version)), target: 'Mod', result: 'Less', mod_revision };
      return nested([unused], { key: Buffer.from(key) });
    });
    for (let at = 0; at < deletes.length; at += limits.operations)
      await this.#commit({ success: deletes.slice(at, at + limits.operations) });
  }

  /** Deletes the contents of versions that have no node. */
  async deleteEmpty(versions: readonly VersionKey[]): Promise<void> {
    const deletes = versions.map((version) => {
      const empty: ICompare = {
        ...range(this.#keys.nodes(version)),
        target: 'Create',
        result: 'Equal',
        create_revision: 0,
      };
      return nested([empty], range(this.#keys.contents(version)));
    });
    for (let at = 0; at < deletes.length; at += limits.operations)
      await this.#commit({ success: deletes.slice(at, at + limits.operations) });
  }

  /** Who puts last wins, also over what is not known here yet. */
  async #putPart({ version, hash, packed, entries, lease }: Batch): Promise<number> {
    const content = Buffer.from(this.#keys.content(version, hash));
    const puts = entries.map(({ key, text }) => ({
      request_put: { key: Buffer.from(key), value: Buffer.from(text), lease },
    }));
    const there: ICompare = { key: content, target: 'Version', result: 'Greater', version: 0 };
    const whole = [{ request_put: { key: content, value: packed } }, ...puts];
    let isKnown = this.#view.stores(content.toString());
    for (let asOf = this.#view.revision; ;) {
      const same = entries.map(({ key }) => unchanged(key, asOf));
      const nodes = { compare: [there, ...same], success: puts };
      const all = { compare: same, success: [{ request_txn: { compare: [there], success: puts, failure: whole } }] };
      const { succeeded, header } = await this.#commit(isKnown ? nodes : all);
      if (succeeded) return Number(header.revision);
      if (!isKnown) asOf = Number(header.revision);
      isKnown = false;
    }
  }

  /** Also what is not known here yet. */
  async #deletePart(keys: readonly string[]): Promise<number> {
    let left = keys;
    let revision = 0;
    for (let asOf = this.#view.revision; left.length > 0;) {
      const deletes = left.map((key) => nested([unchanged(key, asOf)], { key: Buffer.from(key) }));
      const { header, responses } = await this.#commit({ success: deletes });
      asOf = Number(header.revision);
      const answers = responses.map(({ response_txn: answer }) => answer);
      const isGone = ([range]: IResponseOp[]) => Number(range?.response_delete_range.deleted) > 0;
      if (answers.some((answer) => isGone(answer.responses))) revision = asOf;
      left = left.filter((_, index) => !answers[index]?.succeeded);
    }
    return revision;
  }

  #commit(request: ITxnRequest): Promise<ITxnResponse> {
    return this.#client.call(({ kv }) => kv.txn(request));
  }
}

/** Whether a key is as it was at a revision, there or not. */
function unchanged(key: string, revision: number): ICompare {
  return { key: Buffer.from(key), target: 'Mod', result: 'Less', mod_revision: revision + 1 };
}

function nested(
  compare: ICompare[],
  request_delete_range: { readonly key: Buffer; readonly range_end?: Buffer },
): IRequestOp {
  return { request_txn: { compare, success: [{ request_delete_range }] } };
}

function range({ start, end }: KeyRange): { readonly key: Buffer; readonly range_end: Buffer } {
  return { key: Buffer.from(start), range_end: Buffer.from(end) };
}

/** Entries in parts that each fit into one transaction. */
function parts(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const all: Entry[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const size = Buffer.byteLength(entry.key) + Buffer.byteLength(entry.text);
    const last = all.at(-1);
    if (last && last.length < limits.operations && bytes + size <= limits.bytes) last.push(entry);
    else {
      all.push([entry]);
      bytes = 0;
    }
    bytes += size;
  }
  return all;
}
