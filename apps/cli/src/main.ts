import { runProgram } from './program.js';

// A reader that has seen enough, like `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

runProgram(process.argv.slice(2), process.env, process).then((code) => {
  // What was written must be out before the process ends: pipes are asynchronous on some systems.
  process.exitCode = code;
  process.stdout.write('', () => process.stderr.write('', () => process.exit()));
});
