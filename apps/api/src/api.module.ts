import { Module } from '@nestjs/common';
import { Config, Environment } from '@micro/platform';
import { Caller } from './caller.js';
import { EdgeServer } from './edge-server.js';
import { Gateway } from './gateway.js';
import { Reflection } from './reflection.js';
import { Router } from './router.js';
import { Settings, settingsOf } from './settings.js';
import { Streams } from './streams.js';
import { RoutingTables } from './tables.js';

@Module({
  providers: [
    EdgeServer,
    Gateway,
    Router,
    Caller,
    Reflection,
    RoutingTables,
    Streams,
    { provide: Settings, inject: [Environment, Config], useFactory: settingsOf },
  ],
})
export class ApiModule {}
