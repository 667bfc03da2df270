/** The name of a service as it is spelled in a new project. */
export interface ServiceNames {
  /** `foo-bar` */
  readonly service: string;
  /** `FooBar` */
  readonly title: string;
  /** `fooBar` */
  readonly variable: string;
  /** `foo_bar` */
  readonly package: string;
}

/** Files of a new service, by path. */
export function templateFiles(names: ServiceNames, version: string): Record<string, string> {
  const { service } = names;
  return {
    [`proto/${service}.proto`]: proto(names),
    [`src/${service}.ts`]: handlers(names),
    'src/main.ts': main(names),
    'package.json': packageJson(names, version),
    'tsconfig.json': tsconfig,
    'README.md': readme(names),
    '.gitignore': 'node_modules\ndist\n',
  };
}

const proto = ({ package: name, title }: ServiceNames) => `syntax = "proto3";

package ${name};

// Greets, counts and plays.
service ${title} {
  // Says hello.
  rpc Call(CallRequest) returns (CallResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  // Counts up to a number, a message each.
  rpc Stream(StreamRequest) returns (stream StreamResponse);
  // Answers each ping with a pong.
  rpc PingPong(stream PingPongRequest) returns (stream PingPongResponse);
}

message CallRequest {
  // Whom to greet.
  string name = 1;
}

message CallResponse {
  string msg = 1;
}

message StreamRequest {
  // How far to count.
  int32 count = 1;
}

message StreamResponse {
  int32 count = 1;
}

message PingPongRequest {
  int32 stroke = 1;
}

message PingPongResponse {
  int32 stroke = 1;
}
`;

const handlers = ({ service, title, variable }: ServiceNames) => `import type { Handlers } from '@micro/service';
import type { ${title} } from '../proto/${service}.micro.js';

export const ${variable}: Handlers<typeof ${title}> = {
  call: ({ name }) => ({ msg: \`Hello \${name}\` }),

  async *stream({ count }) {
    for (let n = 1; n <= count; n++) yield { count: n };
  },

  async *pingPong(pings) {
    for await (const { stroke } of pings) yield { stroke };
  },
};
`;

/** A package cannot have hyphens: where the name has them, it is said. */
const main = ({ service, title, variable, package: name }: ServiceNames) => `import { serve } from '@micro/service';
import { ${title} } from '../proto/${service}.micro.js';
import { ${variable} } from './${service}.js';

await serve(${title}, ${variable}${name === service ? '' : `, { name: '${service}' }`});
`;

const packageJson = ({ service }: ServiceNames, version: string) => `${JSON.stringify(
  {
    name: service,
    version: '0.1.0',
    private: true,
    type: 'module',
    scripts: { gen: 'micro gen', build: 'tsc', start: 'node dist/src/main.js' },
    dependencies: { '@micro/service': `^${version}` },
    devDependencies: { '@micro/cli': `^${version}`, '@types/node': '^20.19.43', typescript: '^5.9.3' },
  },
  undefined,
  2,
)}
`;

const tsconfig = `{
  "compilerOptions": {
    "target": "ES2022",
    "lib": ["ES2023", "ESNext.Disposable"],
    "module": "NodeNext",
    "types": ["node"],
    "strict": true,
    "skipLibCheck": true,
    "rootDir": ".",
    "outDir": "dist"
  },
  "include": ["src", "proto"],
  "exclude": ["**/*.spec.ts"]
}
`;

const readme = ({ service }: ServiceNames) => `# ${service}

A service for [Micro](https://github.com/micro/micro).

| | |
|---|---|
| \`micro run .\` | run it on a started platform (\`micro server\`) |
| \`micro ${service} --name=Alice\` | call it |
| \`curl localhost:8080/${service}/call -d '{"name":"Alice"}'\` | call it over HTTP |
| \`npm run gen\` | after a change of \`proto/${service}.proto\` |
| \`npm run build && npm start\` | run it by hand: services on one machine find each other |

\`proto/${service}.proto\` says what it offers, \`src/${service}.ts\` answers the calls.
`;
