/** P5: one service calling another through the SDK's client, beside grpc-js to grpc-js. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { platformHome, root, startHelloworld, startPlatform } from '../platform.mjs';
import { freePorts, start, stopAll } from '../processes.mjs';
import { rounds } from '../rounds.mjs';

const run = promisify(execFile);
const file = (name) => new URL(`../${name}.mjs`, import.meta.url).pathname;

export async function serviceToService({ count, seconds, progress }) {
  const platform = await startPlatform({ home: platformHome() });
  const service = await startHelloworld(platform);
  const [port] = await freePorts(1);
  const peer = start(file('peers/grpc-service'), [port]);
  try {
    const sides = {
      micro: {
        program: file('programs/sdk-caller'),
        args: [seconds],
        env: { ...platform.settings, MICRO_PROFILE: 'service' },
      },
      'grpc-js': { program: file('peers/grpc-caller'), args: [port, seconds], env: {} },
    };
    const measure = async ({ program, args, env }) => {
      const { stdout } = await run(process.execPath, [program, ...args.map(String)], {
        cwd: join(root, 'examples/helloworld'),
        env: { ...process.env, ...env },
      });
      return JSON.parse(stdout.trim().split('\n').at(-1));
    };
    const result = await rounds(sides, { count, progress, measure });
    const ratio = result.micro.rate / result['grpc-js'].rate;
    return [
      {
        id: 'P5',
        what: 'service to service, 16 in flight',
        ours: `${Math.round(result.micro.rate)} calls/s`,
        peer: `grpc-js: ${Math.round(result['grpc-js'].rate)} calls/s`,
        ratio: `${ratio.toFixed(2)}×`,
        bar: '≥ 2.5×',
        met: ratio >= 2.5,
      },
    ];
  } finally {
    await stopAll(platform, service, peer);
  }
}
