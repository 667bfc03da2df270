import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { type Paint, paintStatus } from '../output/paint.js';
import { type RuntimeInstance, RuntimeConnection, type RuntimeService, statusName } from '../remote/runtime.js';
import { ago, instanceCount, reason, serviceData } from '../remote/running-service.js';

export function define(command: Command, cli: Cli): void {
  command
    .description('Shows what runs: as it is, not as it was asked for.')
    .argument('[service]', 'only this one, with its instances')
    .action(async (word: string | undefined) => {
      const runtime = new RuntimeConnection(cli);
      if (word === undefined) return showAll(cli, await runtime.read());
      const [service] = await runtime.read(await runtime.nameOf(word));
      if (service) await showOne(cli, service);
    });
}

async function showAll(cli: Cli, services: readonly RuntimeService[]): Promise<void> {
  const anyReason = services.some(({ message }) => message !== '');
  await cli.out.list<RuntimeService>({
    columns: [
      { title: 'name', text: ({ name }) => name },
      { title: 'version', text: ({ version }) => version },
      {
        title: 'source',
        text: ({ source, command }) => [source, ...(command.length > 0 ? [`(${command.join(' ')})`] : [])].join(' '),
      },
      { title: 'status', text: ({ status }, paint) => paintStatus(statusName(status), paint) },
      { title: 'instances', text: instanceCount },
      { title: 'updated', text: ({ updatedMs }) => ago(updatedMs) },
      {
        title: 'metadata',
        text: ({ metadata }) =>
          Object.entries(metadata)
            .map(([key, value]) => `${key}=${value}`)
            .join(', '),
      },
      ...(anyReason ? [{ title: 'reason', text: reason }] : []),
    ],
    rows: services,
    data: serviceData,
    empty: `nothing runs in namespace ${cli.settings.namespace}: start something with \`micro run .\``,
  });
}

async function showOne(cli: Cli, service: RuntimeService): Promise<void> {
  if (!cli.out.forPeople) return cli.out.value(serviceData(service), '');
  const { paint } = cli.out;
  cli.out.line(described(service, paint));
  if (service.instances.length === 0) return;
  cli.out.line('');
  await cli.out.list<RuntimeInstance>({
    columns: [
      { title: 'instance', text: ({ id }) => id },
      { title: 'status', text: ({ status }, colors) => paintStatus(statusName(status), colors) },
      { title: 'pid', text: ({ pid }) => (pid === 0 ? '–' : String(pid)) },
      { title: 'address', text: ({ address }) => address || '–' },
      { title: 'restarts', text: ({ restarts }) => String(restarts) },
      { title: 'started', text: ({ startedMs }) => ago(startedMs) },
    ],
    rows: service.instances,
    data: () => null,
    empty: '',
  });
}

function described(service: RuntimeService, paint: Paint): string {
  const status = statusName(service.status);
  const metadata = Object.entries(service.metadata).map(([key, value]) => `  ${key}: ${value}`);
  return [
    `${paint.bold(service.name)} ${service.version}  ${paintStatus(status, paint)}  ${instanceCount(service)} instances, updated ${ago(service.updatedMs)}`,
    ...(service.source ? [`  source: ${service.source}${service.watch ? ', watched for changes' : ''}`] : []),
    ...(service.command.length > 0 ? [`  command: ${service.command.join(' ')}`] : []),
    ...metadata,
    ...(service.message ? ['', ...service.message.split('\n').map((line) => `  ${line}`)] : []),
  ].join('\n');
}
