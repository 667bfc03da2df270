import { execFileSync } from 'node:child_process';

/**
 * Files of an authority (`ca`) with certificates for 127.0.0.1 (`server`), for another address (`elsewhere`) and for a client (`client`, of that common
 * name), and of an authority that signed none of them (`other`): each `<name>.pem` and `<name>.key`. Needs openssl.
 */
export function makeCertificates(folder: string): void {
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' });
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  for (const ca of ['ca', 'other'])
    openssl(`req -x509 ${key} -keyout ${ca}.key -out ${ca}.pem -days 2 -subj /CN=${ca}`);
  for (const [one, address] of Object.entries({ server: '127.0.0.1', elsewhere: '127.0.0.2', client: '127.0.0.3' })) {
    openssl(`req ${key} -keyout ${one}.key -out ${one}.csr -subj /CN=${one} -addext subjectAltName=IP:${address}`);
    openssl(
      `x509 -req -in ${one}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out ${one}.pem -days 2 -copy_extensions copy`,
    );
  }
}
