import { runApp } from '@micro/platform';
import { brokerApp } from './broker.app.js';

void runApp(brokerApp);
