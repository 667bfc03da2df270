import type { Command } from 'commander';
import type { Cli } from '../cli.js';
import { changeEnvironments, readEnvironments } from '../environment/environments.js';
import { checkedAddress } from '../settings.js';

export function define(command: Command, cli: Cli): void {
  const home = () => cli.settings.home;
  command
    .description('Lists environments: named proxies to call through. The current one has a star.')
    .action(async () => {
      await cli.out.list({
        columns: [
          { title: '', text: ({ current }, paint) => (current ? paint.green('*') : ' ') },
          { title: 'name', text: ({ name, current }, paint) => (current ? paint.green(name) : name) },
          { title: 'address', text: ({ address }) => address },
        ],
        rows: readEnvironments(home()).list(),
        data: (environment) => ({ ...environment }),
        empty: 'no environments',
      });
    });
  command
    .command('add')
    .description('add an environment, or change its address')
    .argument('<name>', 'its name')
    .argument('<address>', 'host:port of its proxy')
    .action(async (name: string, address: string) => {
      await changeEnvironments(home(), (now) => now.add(name, checkedAddress(address, 'the address')));
      cli.out.note(`added ${name}; use it with \`micro env set ${name}\` or --env ${name}`);
    });
  command
    .command('set')
    .description('choose the environment that commands use')
    .argument('<name>', 'its name')
    .action(async (name: string) => {
      const changed = await changeEnvironments(home(), (now) => now.select(name));
      cli.out.note(`commands now go to ${name} (${changed.addressOf(name)})`);
    });
  command
    .command('get')
    .description('print the current environment, or the address of another')
    .argument('[name]', 'its name')
    .action(async (name: string | undefined) => {
      const environments = readEnvironments(home());
      const asked = name ?? environments.current;
      const address = environments.addressOf(asked);
      await cli.out.value({ name: asked, address }, name === undefined ? asked : address);
    });
  command
    .command('del')
    .description('delete an environment')
    .argument('<name>', 'its name')
    .action(async (name: string) => {
      const changed = await changeEnvironments(home(), (now) => now.remove(name));
      cli.out.note(`deleted ${name}; commands go to ${changed.current}`);
    });
}
