import { setTimeout } from 'node:timers/promises';
import { serve } from '@micro/service';
import { Ledger } from './ledger.micro.js';

let balance = 0;

/** Long enough for calls to be in flight whenever an instance dies. */
const work = () => setTimeout(15);

await serve(Ledger, {
  read: async () => {
    await work();
    return { amount: balance };
  },
  add: async ({ amount }) => {
    balance += amount;
    await work();
    return { amount: balance };
  },
});
