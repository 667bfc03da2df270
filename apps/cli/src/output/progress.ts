import type { Sink } from './output.js';
import type { Paint } from './paint.js';

/** Work that takes a while, told as it goes on. End it with exactly one of `succeed` and `stop`. */
export interface Progress {
  step(text: string): void;
  /** Says how it ended. */
  succeed(text: string): void;
  /** Takes the spinner away without a word: an error line follows, or the answer itself. */
  stop(): void;
}

/** Whether lines can be drawn over. On a terminal of no width, as some programs open one, what takes lines back never comes to an end. */
export function canDraw({ isTTY, columns }: Sink): boolean {
  return isTTY === true && columns !== 0;
}

export async function startProgress(text: string, sink: Sink, paint: Paint): Promise<Progress> {
  if (!canDraw(sink)) return plainProgress(text, sink);
  const { default: ora } = await import('ora');
  const spinner = ora({ text, stream: sink as NodeJS.WriteStream, discardStdin: false, isEnabled: true }).start();
  return {
    step: (next) => void (spinner.text = next),
    succeed: (last) => void spinner.stopAndPersist({ symbol: paint.green('✔'), text: last }),
    stop: () => void spinner.stop(),
  };
}

function plainProgress(text: string, sink: Sink): Progress {
  let last = '';
  const say = (next: string) => {
    if (next === last) return;
    last = next;
    sink.write(`${next}\n`);
  };
  say(text);
  return { step: say, succeed: say, stop: () => undefined };
}
