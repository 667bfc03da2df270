/** What run-app.spec.ts starts: an app of one endpoint, with plain HTTP beside it. */
import { parseSchema, type Unary } from '@micro/proto';
import { Logger } from '@micro/telemetry';
import { Controller, Injectable, Module } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Environment } from './env.js';
import { type AppOptions, runApp } from './run-app.js';

export const Clock = parseSchema({
  'clock.proto':
    'syntax = "proto3"; package clock; service Clock { rpc Now(Time) returns (Time); } message Time { string text = 1; }',
}).service<{ now: Unary<{ text: string }, { text: string }> }>('clock.Clock');

@Injectable()
class Page {
  constructor(private readonly environment: Environment) {}

  readonly route = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.url !== '/page') return false;
    response.end(`namespace ${this.environment.namespace}`);
    return true;
  };
}

@Controller()
class ClockController {
  constructor(private readonly logger: Logger) {}

  @GrpcMethod('Clock')
  now({ text }: { text: string }): { text: string } {
    this.logger.debug('asked');
    return { text: `it is ${text}` };
  }
}

@Module({ controllers: [ClockController], providers: [Page] })
class ClockModule {}

export const clockApp: AppOptions = {
  name: 'clock',
  module: ClockModule,
  services: [Clock],
  port: 0,
  server: (find) => ({ http: find(Page).route }),
};

if (process.argv.includes('run')) void runApp({ ...clockApp, fronts: process.argv.includes('store') ? ['store'] : [] });
