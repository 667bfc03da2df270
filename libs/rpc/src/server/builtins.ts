import type { ServiceDefinition } from '@micro/proto';
import type { AnyHandler, BoundMethod } from './call.js';
import { healthHandlers, healthService, type Serving } from './health.js';
import { reflectionHandlers, reflectionService, reflectionVersions } from './reflection.js';

/** Health and reflection, which every server has. Made when somebody first asks for one. */
export class BuiltinServices {
  readonly #serving: Serving;
  readonly #services: () => readonly ServiceDefinition[];
  #methods: ReadonlyMap<string, BoundMethod> | undefined;

  constructor(serving: Serving, services: () => readonly ServiceDefinition[]) {
    this.#serving = serving;
    this.#services = services;
  }

  find(path: string): BoundMethod | undefined {
    return path.startsWith('/grpc.') ? (this.#methods ??= this.#make()).get(path) : undefined;
  }

  #make(): ReadonlyMap<string, BoundMethod> {
    const health = healthService();
    const builtin: ServiceDefinition[] = [health, ...reflectionVersions.map(reflectionService)];
    const described = () => [...this.#services(), ...builtin];
    const handlersOf = (service: ServiceDefinition) =>
      service === health
        ? healthHandlers(this.#serving, (asked) => this.#services().some(({ name }) => name === asked))
        : reflectionHandlers(described);
    return new Map(
      builtin.flatMap((service) => {
        const handlers = handlersOf(service) as Readonly<Record<string, AnyHandler>>;
        return service.methods.map((method) => [method.path, { method, handler: handlers[method.localName] }]);
      }),
    );
  }
}
