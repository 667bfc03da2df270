import { healthy, startPlatform, type TestPlatform, until, workspaceRoot } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

describe('the first five minutes', () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform();
  });
  afterAll(() => platform?.stop());

  const post = (path: string, body: string) => fetch(`http://${platform.address.api}${path}`, { method: 'POST', body });
  /** As `curl -d` sends it. */
  const curl = (path: string, body: string) =>
    fetch(`http://${platform.address.api}${path}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });

  it('prints where everything is', async () => {
    await until('the table of addresses is printed', () => platform.output().includes(platform.address.api));
    for (const address of Object.values(platform.address)) expect(platform.output()).toContain(address);
  });

  it('has nothing to call at first, and says so', async () => {
    const answer = await post('/helloworld/call', '{"name":"Alice"}');
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(await answer.json()).toMatchObject({ id: 'api', code: 'not_found', status: 404 });
    const unknown = await platform.micro('helloworld', '--name=Alice');
    expect(unknown.code).toBe(4);
    expect(unknown.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('runs a service from its folder', async () => {
    const { code, stdout, stderr } = await platform.micro('run', `${workspaceRoot}examples/helloworld`);
    expect(stderr + stdout).toContain('helloworld');
    expect(code).toBe(0);
  });

  it('calls it over HTTP, as curl does', async () => {
    const answer = await curl('/helloworld/call', '{"name":"Alice"}');
    expect(await answer.text()).toBe('{"msg":"Hello Alice"}');
    expect(answer.status).toBe(200);
  });

  it('calls it by its name on the command line', async () => {
    const { code, stdout } = await platform.micro('helloworld', '--name=Alice');
    expect(JSON.parse(stdout)).toEqual({ msg: 'Hello Alice' });
    expect(code).toBe(0);
  });

  it('prints each message of a stream', async () => {
    const { stdout, code } = await platform.micro('helloworld', 'stream', '--count=3', '-o', 'json');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([1, 2, 3].map((count) => ({ count })));
    expect(code).toBe(0);
  });

  it('calls it with JSON', async () => {
    const { stdout } = await platform.micro('call', 'helloworld', 'Helloworld.Call', '{"name":"Bob"}');
    expect(JSON.parse(stdout)).toEqual({ msg: 'Hello Bob' });
  });

  it('says what it does', async () => {
    const { stdout } = await platform.micro('helloworld', '--help');
    expect(stdout).toMatch(/call/i);
    expect(stdout).toMatch(/pingPong|ping-pong|PingPong/);
    expect((await platform.micro('helloworld', 'call', '--help')).stdout).toContain('--name');
  });

  it('names the legal flags when one is unknown', async () => {
    const { code, stderr } = await platform.micro('helloworld', '--nam=Alice');
    expect(code).not.toBe(0);
    expect(stderr).toContain('--name');
  });

  it('lists services, as a table and as JSON', async () => {
    expect((await platform.micro('services')).stdout).toMatch(/helloworld/);
    const services = JSON.parse((await platform.micro('services', '-o', 'json')).stdout) as { name: string }[];
    expect(services.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['api', 'helloworld', 'proxy', 'registry', 'runtime']),
    );
  });

  it('shows a service with its endpoints and fields', async () => {
    const { stdout } = await platform.micro('get', 'service', 'helloworld');
    for (const word of ['Helloworld.Call', 'Helloworld.Stream', 'Helloworld.PingPong', 'name', 'string'])
      expect(stdout).toContain(word);
  });

  it('tells the status', async () => {
    const [service] = JSON.parse((await platform.micro('status', '-o', 'json')).stdout) as {
      name: string;
      status: string;
      source: string;
    }[];
    expect(service).toMatchObject({
      name: 'helloworld',
      status: 'running',
      source: expect.stringContaining('examples/helloworld'),
    });
  });

  it('shows its logs', async () => {
    const { stdout } = await until('the log has a line', async () => {
      const ran = await platform.micro('logs', 'helloworld');
      return ran.stdout.includes('listening') && ran;
    });
    expect(stdout).toContain('helloworld listening on');
  });

  it('refuses to run it twice, and names the way out', async () => {
    const { code, stderr } = await platform.micro('run', `${workspaceRoot}examples/helloworld`);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/--force|update/);
  });

  it('stops it', async () => {
    expect((await platform.micro('kill', 'helloworld')).code).toBe(0);
    await until('the gateway knows', async () => (await post('/helloworld/call', '{}')).status === 404);
    expect(JSON.parse((await platform.micro('status', '-o', 'json')).stdout)).toEqual([]);
    const services = JSON.parse((await platform.micro('services', '-o', 'json')).stdout) as { name: string }[];
    expect(services.map(({ name }) => name)).not.toContain('helloworld');
  });

  it('is still whole', async () => {
    expect(await healthy(Object.values(platform.address))).toBe(true);
  });
});
