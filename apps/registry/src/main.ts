import { runApp } from '@micro/platform';
import { registryApp } from './registry.app.js';

void runApp(registryApp);
