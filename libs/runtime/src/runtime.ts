/**
 * What a service, or one instance of it, is doing. `error` is any state that nobody asked for: a build that failed, a process that died (it is
 * started again, with growing pauses), a process that runs but is not to be reached. `stopped` is a program that ended by itself, with code 0
 * and without ever having registered: a job that is done.
 */
export type Status = 'pending' | 'building' | 'starting' | 'running' | 'stopping' | 'stopped' | 'error';

/** A service that the runtime was asked to run, and the truth about it. */
export interface Service {
  readonly name: string;
  readonly version: string;
  /** Absolute path of a local folder; empty for a bare command. */
  readonly source: string;
  /** Program and arguments, where there is no source to build; else empty. */
  readonly command: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** The worst of its instances', or what is being done to all of them. */
  readonly status: Status;
  /** Why, where the status is `error`; also the failure of an update that left the old instances running. Else empty. */
  readonly message: string;
  /** Oldest first. While instances are replaced, old and new ones. */
  readonly instances: readonly Instance[];
  /** When it was created or last updated, in milliseconds since the epoch. */
  readonly updatedMs: number;
  /** How many instances are wanted. */
  readonly wanted: number;
  readonly watch: boolean;
}

/** One process of a service. */
export interface Instance {
  /** Also its node's id in the registry, and the name of its log file. */
  readonly id: string;
  readonly status: Status;
  /** Why, where the status is `error`: how it ended and the last that it wrote to stderr. */
  readonly message: string;
  /** 0 while there is no process. */
  readonly pid: number;
  /** `host:port`; empty until it is known. */
  readonly address: string;
  /** How often it was started again because it had died. */
  readonly restarts: number;
  /** When its process was last started, in milliseconds since the epoch. */
  readonly startedMs: number;
}

export interface CreateService {
  /** Letters, digits, `.`, `_` and `-`. Default: the name in the source's package.json without its scope, else the folder's name. */
  readonly name?: string;
  /** Default `latest`. */
  readonly version?: string;
  /** Absolute path of a folder to be built; or the folder that `command` runs in. One of `source` and `command` is needed. */
  readonly source?: string;
  /** Run this instead of building the source: program and arguments, no shell. */
  readonly command?: readonly string[];
  /** Added to what the platform tells the process. `MICRO_NAME`, `MICRO_VERSION`, `MICRO_NAMESPACE` and `MICRO_NODE_ID` cannot be set. */
  readonly env?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Default 1, at most 100. */
  readonly instances?: number;
  /** Replace a service of that name, if there is one, instance by instance. */
  readonly force?: boolean;
  /** Build again and replace the instances whenever the source changes. */
  readonly watch?: boolean;
}

/** A change to a service. What is left out stays as it is; with nothing but `instances` nothing is built and no process replaced. */
export interface UpdateService {
  readonly name: string;
  readonly source?: string;
  readonly instances?: number;
  /** Merged into what is there. */
  readonly env?: Readonly<Record<string, string>>;
  /** Merged into what is there. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** One step of a create or update. */
export interface Progress {
  readonly status: Status;
  /** For people: `building`, `waiting for helloworld-1a2b3c to be ready`. */
  readonly step: string;
  /** Only in the last one: what came of it. */
  readonly service?: Service;
}

export interface LogsQuery {
  readonly name: string;
  /** After what there is, also each new line as it comes. */
  readonly follow?: boolean;
  /** Only the last so many of what there is. Default: all that is kept. */
  readonly lines?: number;
  /** Only lines of this time or later, in milliseconds since the epoch. */
  readonly sinceMs?: number;
}

export interface LogLine {
  /** When the runtime took it in, in milliseconds since the epoch. */
  readonly timeMs: number;
  /** Id of the instance; `build` for what building the source said. */
  readonly instance: string;
  readonly stream: 'stdout' | 'stderr';
  /** Without its line end. Bytes that are not UTF-8 are U+FFFD; a line of more than 64 KiB comes as several. */
  readonly text: string;
}

export interface RuntimeOptions {
  /** The tenant. Default `micro`. Services of different namespaces do not see each other. */
  readonly namespace?: string;
}

export interface FollowOptions extends RuntimeOptions {
  /** Ends the iteration, quietly. */
  readonly signal?: AbortSignal;
}

/** Runs services: the runtime's contract, and its token in Nest. */
export abstract class Runtime {
  /**
   * Builds a service and starts its instances, telling each step; the last one has the service. A build that fails, or a process that dies
   * before it is ready, is no exception: the service is there, with status `error` and the reason as its message. Work goes on when the
   * consumer stops listening. MicroError `invalid_argument` for a malformed name, a source that is no folder or has nothing to run,
   * saying what was looked for; `already_exists` where the name is taken and `force` is not set; `unimplemented` for a kind of source that
   * the adapter cannot run.
   */
  abstract create(service: CreateService, options?: RuntimeOptions): AsyncIterable<Progress>;

  /** Services by name, ascending by code unit: all, or the one of that name. An unknown name is an empty list. */
  abstract read(filter?: { readonly name?: string }, options?: RuntimeOptions): Promise<readonly Service[]>;

  /**
   * Builds again and replaces instances one by one: a new one is ready before an old one is stopped, so that no call is lost. Tells its
   * steps as `create` does. Where the build or a new instance fails, the old ones go on and the service keeps its status, with the failure
   * as its message. MicroError `not_found` for an unknown name, `invalid_argument` as for `create`.
   */
  abstract update(change: UpdateService, options?: RuntimeOptions): AsyncIterable<Progress>;

  /**
   * Stops every instance, letting it finish what it has begun, and forgets the service; resolves when no process of it is left. Its log
   * files stay, and are the next one's of that name. MicroError `not_found` for an unknown name.
   */
  abstract delete(name: string, options?: RuntimeOptions): Promise<void>;

  /**
   * Lines that the instances wrote, and what building them said, oldest first, merged by time. Reads no further ahead than its consumer, and
   * with `follow` keeps up across rotation. Ends after the last line, or, with `follow`, when `signal` aborts or the runtime closes.
   * MicroError `not_found` for a name that neither runs nor has left a line.
   */
  abstract logs(query: LogsQuery, options?: FollowOptions): AsyncIterable<LogLine>;

  /** Stops everything that was started, waiting for it, and ends all iterations. A second call does nothing. */
  abstract close(): Promise<void>;
}
