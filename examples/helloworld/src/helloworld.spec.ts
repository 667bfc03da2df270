import { client, serve, type Served } from '@micro/service';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Helloworld } from '../proto/helloworld.micro.js';
import { helloworld } from './helloworld.js';

let service: Served;
const calls = client(Helloworld);

beforeAll(async () => {
  service = await serve(Helloworld, helloworld, { profile: 'test', signals: false });
});
afterAll(() => service.stop());

it('says hello', async () => {
  expect(await calls.call({ name: 'Alice' })).toEqual({ msg: 'Hello Alice' });
});

it('counts', async () => {
  const counted: number[] = [];
  for await (const { count } of calls.stream({ count: 3 })) counted.push(count);
  expect(counted).toEqual([1, 2, 3]);
});

it('answers each ping with a pong', async () => {
  const pongs: number[] = [];
  for await (const { stroke } of calls.pingPong([{ stroke: 1 }, { stroke: 2 }])) pongs.push(stroke);
  expect(pongs).toEqual([1, 2]);
});
