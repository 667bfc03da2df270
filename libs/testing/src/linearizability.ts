/** An operation of a history: who asked what when, and what came of it. */
export interface Operation<Input, Output> {
  /** Of whoever asked. One asks after the other, which the check does not rely on; it is for people. */
  readonly client: number;
  readonly input: Input;
  /** Undefined where nobody knows: the call failed in a way that leaves open whether it took effect, or its client died. */
  readonly output: Output | undefined;
  /** When it was asked and when it was answered, on one clock for all (`process.hrtime.bigint()` within a machine). */
  readonly called: bigint;
  /** Undefined with the output. */
  readonly returned: bigint | undefined;
}

/** What a thing that is shared must do, one operation at a time. */
export interface Model<State, Input, Output> {
  readonly initial: State;
  /**
   * The states that the thing may be in after the operation; empty if it cannot have answered so. `output` undefined: it may have answered
   * anything, and that it had no effect need not be among the states. Does not change `state`.
   */
  step(state: State, input: Input, output: Output | undefined): readonly State[];
  /** Whether an operation that was answered so changes nothing, in whatever state: as a read, or what was refused. Saves most of the search. */
  idle(input: Input, output: Output | undefined): boolean;
  /** Equal texts for equal states. */
  key(state: State): string;
}

export type Verdict<Input, Output> =
  | { readonly linearizable: true }
  | {
      readonly linearizable: false;
      /** The operation at which every order failed: no order of what was asked before its answer explains it. */
      readonly at: Operation<Input, Output>;
      /** The longest order that could be found, in which the others were explained. */
      readonly explained: readonly Operation<Input, Output>[];
    };

/** A moment in a history: an operation is called, or answered. Doubly linked, so that an operation can be taken out and put back. */
interface Entry {
  readonly index: number;
  readonly call: boolean;
  /** Of a call: its answer. */
  answer: Entry | undefined;
  previous: Entry | undefined;
  next: Entry | undefined;
}

interface Choice<State> {
  readonly entry: Entry;
  readonly state: State;
  /** States that the same operation may also have led to, not tried yet. */
  readonly others: readonly State[];
  /** It changes nothing. Wherever else in the order it could stand, it can stand here: there is no need to try without it. */
  readonly idle: boolean;
}

/**
 * Whether there is an order of the operations, each at one moment between its call and its answer, that the model allows. Wing and Gong's
 * search with Lowe's memory of what has been tried ("Testing for linearizability", 2017), as Porcupine does it. Operations on things that
 * do not touch each other are checked faster as histories of their own.
 */
export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
): Verdict<Input, Output> {
  const head = entriesOf(history);
  const done = new Uint8Array(history.length);
  const tried = new Set<string>();
  const choices: Choice<State>[] = [];
  let longest: number[] = [];
  let stuck = -1;
  let state = model.initial;
  let answers = history.filter(({ returned }) => returned !== undefined).length;
  let entry = head.next;

  /** Takes the operation as the next in the order, if one of the states was not met with the same operations before. */
  const take = (chosen: Entry, states: readonly State[]): boolean => {
    done[chosen.index] = 1;
    const mask = Buffer.from(done).toString('latin1');
    for (const [position, after] of states.entries()) {
      const known = `${mask}${model.key(after)}`;
      if (tried.has(known)) continue;
      tried.add(known);
      const { input, output } = history[chosen.index] as Operation<Input, Output>;
      choices.push({ entry: chosen, state, others: states.slice(position + 1), idle: model.idle(input, output) });
      if (choices.length > longest.length) longest = choices.map((choice) => choice.entry.index);
      state = after;
      lift(chosen);
      if (chosen.answer) answers--;
      entry = head.next;
      return true;
    }
    done[chosen.index] = 0;
    return false;
  };

  while (answers > 0) {
    if (entry?.call) {
      const { input, output } = history[entry.index] as Operation<Input, Output>;
      if (!take(entry, model.step(state, input, output))) entry = entry.next;
      continue;
    }
    // Behind an answer stand operations that were asked after it: what it answers must have come first, so an earlier choice was wrong.
    if (entry && choices.length >= longest.length) stuck = entry.index;
    for (;;) {
      const choice = choices.pop();
      if (!choice) {
        const at = history[stuck] as Operation<Input, Output>;
        return {
          linearizable: false,
          at,
          explained: longest.map((index) => history[index] as Operation<Input, Output>),
        };
      }
      unlift(choice.entry);
      if (choice.entry.answer) answers++;
      done[choice.entry.index] = 0;
      state = choice.state;
      if (choice.others.length > 0 && take(choice.entry, choice.others)) break;
      if (!choice.idle && choice.entry.next) {
        entry = choice.entry.next;
        break;
      }
    }
  }
  return { linearizable: true };
}

/** The moments in order of time; of the same time a call first, so that what touches counts as concurrent. */
function entriesOf(history: readonly Operation<unknown, unknown>[]): Entry {
  const moments = history.flatMap(({ called, returned }, index) => {
    if (returned === undefined) return [{ at: called, entry: entryOf(index, true) }];
    if (returned < called) throw new RangeError(`operation ${index} was answered before it was asked`);
    const answer = entryOf(index, false);
    return [
      { at: called, entry: { ...entryOf(index, true), answer } },
      { at: returned, entry: answer },
    ];
  });
  moments.sort((a, b) => (a.at === b.at ? Number(b.entry.call) - Number(a.entry.call) : a.at < b.at ? -1 : 1));
  const head = entryOf(-1, false);
  let last = head;
  for (const { entry } of moments) {
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return head;
}

function entryOf(index: number, call: boolean): Entry {
  return { index, call, answer: undefined, previous: undefined, next: undefined };
}

function lift(entry: Entry): void {
  unlink(entry);
  if (entry.answer) unlink(entry.answer);
}

/** In the opposite order of `lift`, so that each finds its neighbours as they were. */
function unlift(entry: Entry): void {
  if (entry.answer) relink(entry.answer);
  relink(entry);
}

function unlink(entry: Entry): void {
  if (entry.previous) entry.previous.next = entry.next;
  if (entry.next) entry.next.previous = entry.previous;
}

function relink(entry: Entry): void {
  if (entry.previous) entry.previous.next = entry;
  if (entry.next) entry.next.previous = entry;
}
