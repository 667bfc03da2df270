import { serve } from '@micro/service';
import { Mail } from '../proto/mail.micro.js';
import { handlers, writeLetters } from './mail.js';

await serve(Mail, handlers);
await writeLetters();
