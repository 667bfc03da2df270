import type { Handlers } from '@micro/service';
import type { Helloworld } from '../proto/helloworld.micro.js';

export const helloworld: Handlers<typeof Helloworld> = {
  call: ({ name }) => ({ msg: `Hello ${name}` }),

  async *stream({ count }) {
    for (let n = 1; n <= count; n++) yield { count: n };
  },

  async *pingPong(pings) {
    for await (const { stroke } of pings) yield { stroke };
  },
};
