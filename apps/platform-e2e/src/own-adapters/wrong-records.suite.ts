import type { Change, Condition, ListOptions, NewRecord, ReadBlobOptions, TableOptions } from '@micro/service/adapter';
import { blobsContract, storeContract } from '@micro/service/contract';
import { OwnBlobs } from './own-blobs.js';
import { OwnStore } from './own-store.js';

const alone = { survives: 'nothing', shared: 'instance' } as const;

/** Each has one method wrong. */
const stores = {
  'ignores conditions': class extends OwnStore {
    override write(record: NewRecord, { ifVersion: _, ...options }: TableOptions & Condition = {}) {
      return super.write(record, options);
    }
  },
  'deletes nothing': class extends OwnStore {
    override async delete() {}
  },
  'makes half of a transaction': class extends OwnStore {
    override transact(changes: readonly Change[], options?: TableOptions) {
      return super.transact(changes.slice(0, 1), options);
    }
  },
  'lists without regard to prefixes': class extends OwnStore {
    override list({ prefix: _, ...options }: ListOptions = {}) {
      return super.list(options);
    }
  },
  'loses metadata': class extends OwnStore {
    override async read(key: string, options?: TableOptions) {
      return { ...(await super.read(key, options)), metadata: {} };
    }
  },
};

for (const [wrong, Wrong] of Object.entries(stores))
  storeContract(wrong, { capabilities: alone, open: async () => new Wrong() });

storeContract('says that it keeps', {
  capabilities: { survives: 'power', shared: 'instance' },
  open: async () => new OwnStore(),
});

class WithoutRanges extends OwnBlobs {
  override read(key: string, { offset: _, ...options }: ReadBlobOptions = {}) {
    return super.read(key, options);
  }
}
blobsContract('reads from the beginning', { capabilities: alone, open: async () => new WithoutRanges() });
