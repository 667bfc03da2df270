import { client, type Handlers } from '@micro/service';
import type { Greeter } from '../proto/greeter.micro.js';
import { Helloworld } from '../proto/helloworld.micro.js';

const { call } = client(Helloworld);

export const greeter: Handlers<typeof Greeter> = {
  async greet({ names }) {
    const answers = await Promise.all(names.map((name) => call({ name })));
    return { greetings: answers.map(({ msg }) => msg) };
  },
};
