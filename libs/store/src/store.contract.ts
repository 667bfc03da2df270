import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe } from 'vitest';
import type { Capabilities } from './capabilities.js';
import { changingContract } from './contract/changing.contract.js';
import { leavingContract } from './contract/leaving.contract.js';
import { listingContract } from './contract/listing.contract.js';
import { bytes, text } from './contract/records.fixture.js';
import { recordingContract } from './contract/recording.contract.js';
import { restoringContract } from './contract/restoring.contract.js';
import { watchingContract } from './contract/watching.contract.js';
import type { ListOptions, NewRecord, Store, StoreRecord } from './store.js';

export interface StoreContractOptions {
  readonly capabilities: Capabilities;
  /** A store that sees what others opened here see, and what they saw before, where the capabilities say so. The suite closes it. */
  readonly open: () => Promise<Store>;
}

/** What the tests of an adapter work on: each has a store, and a database of its own. */
export interface ContractRig {
  readonly store: Store;
  /** Of no other test. */
  readonly database: string;
  /** Another store as the options open it; closed with the test. */
  another(): Promise<Store>;
  write(key: string, value?: string, more?: Partial<NewRecord>): Promise<StoreRecord>;
  /** The value, as text. */
  read(key: string, from?: Store): Promise<string>;
  /** Of one page. */
  keys(options?: ListOptions): Promise<string[]>;
  /** Of every page. `between` is called after each. */
  paged(options: ListOptions, between?: () => Promise<unknown>): Promise<string[]>;
}

const testTimeout = 30_000;

/** The contract of store.ts, run on an adapter. */
export function storeContract(adapter: string, { capabilities, open }: StoreContractOptions): void {
  describe(`${adapter} store`, { timeout: testTimeout }, () => {
    const rig = rigOf(open);
    recordingContract(rig);
    changingContract(rig, capabilities);
    listingContract(rig);
    watchingContract(rig);
    restoringContract(rig);
    leavingContract(rig, capabilities);
  });
}

/** A new store and database for every test of the suite that it is called in. */
function rigOf(open: () => Promise<Store>): ContractRig {
  let opened: Store[];
  let store: Store;
  let database: string;
  const another = async () => {
    const one = await open();
    opened.push(one);
    return one;
  };
  beforeEach(async () => {
    opened = [];
    database = `d-${randomUUID()}`;
    store = await another();
  });
  afterEach(async () => {
    await Promise.all(opened.map((one) => one.close()));
  });
  return {
    get store() {
      return store;
    },
    get database() {
      return database;
    },
    another,
    write: (key, value = 'value', more = {}) => store.write({ key, value: bytes(value), ...more }, { database }),
    read: async (key, from = store) => text((await from.read(key, { database })).value),
    keys: async (options = {}) => (await store.list({ database, ...options })).records.map(({ key }) => key),
    paged: async (options, between = async () => undefined) => {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.list({ database, ...options, cursor });
        found.push(...page.records.map(({ key }) => key));
        cursor = page.cursor;
        await between();
      } while (cursor !== undefined);
      return found;
    },
  };
}
