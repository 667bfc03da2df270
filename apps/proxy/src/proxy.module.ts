import { Module } from '@nestjs/common';
import { ConnectPass } from './connect-pass.js';
import { Described } from './described.js';
import { GrpcPass } from './grpc-pass.js';
import { Routes } from './routes.js';

@Module({ providers: [ConnectPass, Described, GrpcPass, Routes] })
export class ProxyModule {}
