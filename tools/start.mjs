/** `npm start`: installs and builds what is missing or has changed, then becomes `micro server` until ctrl-c. Arguments are passed on. */
import { install, nx, workspaceRoot } from './install.mjs';

await install();
const status = nx('run-many', '--targets=build', '--projects=cli,@micro/service', '--outputStyle=static');
if (status !== 0) process.exit(status);
process.argv = [process.argv[0], `${workspaceRoot}apps/cli/bin/micro.mjs`, 'server', ...process.argv.slice(2)];
await import('../apps/cli/bin/micro.mjs');
