import { type AcquireOptions, type LeaseOptions, MemoryLocks } from '@micro/service/adapter';
import { locksContract } from '@micro/service/contract';

const alone = { survives: 'nothing', shared: 'instance' } as const;

class Forgetful extends MemoryLocks {
  override async take(name: string, id: string, options?: AcquireOptions) {
    return { ...(await super.take(name, id, options)), token: 1n };
  }
}
locksContract('gives a token twice', { capabilities: alone, open: async () => new Forgetful() });

class Trusting extends MemoryLocks {
  override renew(name: string, id: string, options?: LeaseOptions) {
    return super.renew(name, id, options).catch(({ code }: { code: string }) => {
      if (code !== 'aborted') throw new Error(code);
    });
  }
}
locksContract('renews what is lost', { capabilities: alone, open: async () => new Trusting() });

class Generous extends MemoryLocks {
  #others = 0;
  override take(name: string, id: string, options?: AcquireOptions) {
    return super.take(options?.wait === 0 ? name : `${name}${this.#others++ % 2}`, id, options);
  }
}
locksContract('lets two in', { capabilities: alone, open: async () => new Generous() });
