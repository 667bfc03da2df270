import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configOf, defaultPorts, readEnvironment, variableNames } from '@micro/platform';
import { workspaceRoot } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { platform } from '../apps/cli/src/server/platform.js';

interface Service {
  readonly build?: {
    readonly context: string;
    readonly dockerfile: string;
    readonly args?: Readonly<Record<string, unknown>>;
  };
  readonly image?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: object;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const text = (name: string) => readFileSync(join(workspaceRoot, 'docker', name), 'utf8');
const compose = parse(text('compose.yaml'), { merge: true }) as Compose;
const apps = platform.map(({ name, port }) => ({ name, port, service: compose.services[name] as Service }));
const servers = ['etcd', 'nats', 'cockroach'];

/** The environment of a container but for what is read from files, which are only there. */
const environmentOf = ({ environment = {} }: Service) =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !name.endsWith('_FILE')));

describe('compose.yaml', () => {
  it('has every process of the platform, built by the one Dockerfile, on its own port, and the servers behind them', () => {
    expect(Object.keys(compose.services).sort()).toEqual([...platform.map(({ name }) => name), ...servers].sort());
    for (const { name, port, service } of apps) {
      expect(service.build, name).toEqual({
        context: '..',
        dockerfile: 'docker/Dockerfile',
        args: { APP: name, PORT: port },
      });
      expect(defaultPorts[name as keyof typeof defaultPorts]).toBe(port);
    }
  });

  it.each(apps)('gives $name settings that are legal, and that lead to servers of this file', ({ service }) => {
    for (const name of Object.keys(service.environment ?? {})) expect(variableNames).toContain(name);
    const config = configOf(readEnvironment(environmentOf(service)));
    expect(config).toMatchObject({
      registry: { adapter: 'etcd', addresses: ['etcd:2379'] },
      broker: { adapter: 'nats' },
      store: { adapter: 'cockroach' },
    });
    const needed = Object.keys(service.depends_on ?? {});
    for (const name of needed) expect(compose.services).toHaveProperty(name);
    for (const { condition } of Object.values(service.depends_on ?? {})) expect(condition).toBe('service_healthy');
    const secrets = Object.values(service.environment ?? {}).flatMap(
      (value) => /^\/run\/secrets\/(.+)$/.exec(value)?.[1] ?? [],
    );
    expect(secrets).toEqual(service.secrets ?? []);
  });

  it('tells broker and store where their servers are, and nobody else how to be let in', () => {
    const { broker, store } = compose.services as Record<string, Service>;
    const env = (service?: Service) => configOf(readEnvironment(environmentOf(service as Service)));
    expect(env(broker)).toMatchObject({ broker: { servers: ['nats:4222'] }, events: { servers: ['nats:4222'] } });
    expect(env(store).blobs).toMatchObject({ adapter: 'nats', servers: ['nats:4222'] });
    expect(env(store).store).toMatchObject({ url: expect.stringContaining('@cockroach:26257/') });
    const told = apps.filter(({ service }) => service.secrets).map(({ name }) => name);
    expect(told.sort()).toEqual(['broker', 'store']);
  });

  it('listens on loopback alone, keeps what is kept in volumes, and knows of each server whether it is well', () => {
    const ports = Object.values(compose.services).flatMap((service) => service.ports ?? []);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    for (const name of servers) {
      const service = compose.services[name] as Service;
      const [volume] = service.volumes?.map((one) => one.split(':')[0] as string) ?? [];
      expect(compose.volumes, name).toHaveProperty(volume as string);
      expect(service.healthcheck, name).toBeDefined();
    }
    // Where `micro server --profile staging` looks for them.
    const { etcdAddress, natsAddress, cockroachUrl } = readEnvironment({});
    const published = (name: string) => Number(compose.services[name]?.ports?.[0]?.split(':')[1]);
    expect(published('etcd')).toBe(etcdAddress[0]?.port);
    expect(published('nats')).toBe(natsAddress[0]?.port);
    expect(published('cockroach')).toBe(Number(new URL(cockroachUrl).port));
  });

  it('lets processes of the platform write nowhere but to their data, and do nothing as root', () => {
    for (const { name, service } of apps) {
      expect(service, name).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    }
    const steps = text('Dockerfile')
      .split('\n')
      .filter((line) => /^[A-Z]+ /.test(line));
    expect(steps.indexOf('USER node')).toBeGreaterThan(steps.findLastIndex((step) => step.startsWith('RUN')));
    expect(steps.some((step) => step.startsWith('HEALTHCHECK'))).toBe(true);
  });

  it('has secrets in files that are part of neither the repository nor an image', () => {
    const ignored = (file: string) => {
      const git = () => execFileSync('git', ['check-ignore', '-q', file], { cwd: workspaceRoot });
      expect(git, file).not.toThrow();
      const lines = readFileSync(join(workspaceRoot, '.dockerignore'), 'utf8').split('\n');
      expect(
        lines.some((line) => line && file.startsWith(`${line}/`)),
        file,
      ).toBe(true);
    };
    for (const { file } of Object.values(compose.secrets)) ignored(join('docker', file));
  });
});
