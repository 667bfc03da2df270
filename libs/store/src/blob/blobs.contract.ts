import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe } from 'vitest';
import type { Capabilities } from '../capabilities.js';
import type { BlobInfo, Blobs } from './blobs.js';
import { contentContract } from './contract/content.contract.js';
import { all, bytes, text } from './contract/content.fixture.js';
import { leavingContract } from './contract/leaving.contract.js';
import { listingContract } from './contract/listing.contract.js';
import { namingContract } from './contract/naming.contract.js';
import { readingContract } from './contract/reading.contract.js';
import { writingContract } from './contract/writing.contract.js';

export interface BlobsContractOptions {
  readonly capabilities: Capabilities;
  /** Blobs that see what others opened here see, and what they saw before, where the capabilities say so. The suite closes them. */
  readonly open: () => Promise<Blobs>;
}

/** What the tests of an adapter work on: each has blobs, and a database of its own. */
export interface BlobsRig {
  readonly blobs: Blobs;
  /** Of no other test. */
  readonly database: string;
  /** Other blobs as the options open them; closed with the test. */
  another(): Promise<Blobs>;
  write(key: string, content: string, to?: Blobs): Promise<BlobInfo>;
  /** The content, as text. */
  read(key: string, from?: Blobs): Promise<string>;
  /** Of one page. */
  keys(prefix?: string): Promise<string[]>;
}

const testTimeout = 30_000;

/** The contract of blobs.ts, run on an adapter. */
export function blobsContract(adapter: string, { capabilities, open }: BlobsContractOptions): void {
  describe(`${adapter} blobs`, { timeout: testTimeout }, () => {
    const rig = rigOf(open);
    contentContract(rig);
    namingContract(rig);
    writingContract(rig, capabilities);
    readingContract(rig, capabilities);
    listingContract(rig);
    leavingContract(rig, capabilities);
  });
}

/** New blobs and a new database for every test of the suite that it is called in. */
function rigOf(open: () => Promise<Blobs>): BlobsRig {
  let opened: Blobs[];
  let blobs: Blobs;
  let database: string;
  const another = async () => {
    const one = await open();
    opened.push(one);
    return one;
  };
  beforeEach(async () => {
    opened = [];
    database = `d-${randomUUID()}`;
    blobs = await another();
  });
  afterEach(async () => {
    await Promise.all(opened.map((one) => one.close()));
  });
  return {
    get blobs() {
      return blobs;
    },
    get database() {
      return database;
    },
    another,
    write: (key, content, to = blobs) => to.write(key, [bytes(content)], { database }),
    read: async (key, from = blobs) => text(await all((await from.read(key, { database })).content)),
    keys: async (prefix = '') => (await blobs.list({ database, prefix })).blobs.map(({ key }) => key),
  };
}
