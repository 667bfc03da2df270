/** Loaded by every process under the soak: collects garbage on SIGUSR2, so that what is measured is what a process holds, and not what V8 has not yet got round to. */
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
process.on('SIGUSR2', () => collect());
