import { request } from 'node:http';

/** Whether `GET /readyz` answers 200 within a second. */
export function healthy(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(`http://${address}/readyz`, { agent: false, timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.once('timeout', () => asked.destroy());
    asked.once('error', () => resolve(false));
    asked.end();
  });
}
