/** What proves to a daemon who calls, and to the caller that it is the daemon. */

import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";

import { type ChannelCredentials, credentials } from "@grpc/grpc-js";

import type { Address } from "./address.js";
import { TlsError, TokenFileError } from "./errors.js";

/** Files in PEM form. */
export interface TlsFiles {
  /** Certificates that the daemon's is to be signed by. Default: the roots that Node trusts. */
  readonly caFile?: string | undefined;
  /** The client's certificate, for a daemon that asks for one; then with its key. */
  readonly certFile?: string | undefined;
  /** The key of the client's certificate. */
  readonly keyFile?: string | undefined;
}

/**
 * Read the token for a daemon at this address.
 *
 * @throws {@link TokenFileError} The file cannot be read or does not hold a token, or the token would
 * leave this machine in clear.
 */
export async function readToken(file: string, address: Address, secure: boolean): Promise<string> {
  if (!address.isLoopback && !secure) {
    throw new TokenFileError(
      `will not send the token to ${address.toString()} in clear: turn TLS on, or make a tunnel, ` +
        `as with 'ssh -L 7443:localhost:${String(address.port)} ${address.host}', and use its local end`,
    );
  }
  const token = (await read(file, "token file", TokenFileError)).toString("latin1").trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new TokenFileError(
      `the token file '${file}' does not hold a token; name the file that the daemon made with ` +
        "tokenFile or HCSD_TOKEN_FILE",
    );
  }
  return token;
}

/**
 * Return the files that the environment names, or undefined if it asks for no TLS.
 *
 * These are `HCSD_TLS_CA`, `HCSD_TLS_CERT` and `HCSD_TLS_KEY`; the first turns TLS on.
 */
export function tlsOf(environment: NodeJS.ProcessEnv): TlsFiles | undefined {
  const caFile = environment["HCSD_TLS_CA"];
  if (!caFile) {
    return undefined;
  }
  return {
    caFile,
    certFile: environment["HCSD_TLS_CERT"] || undefined,
    keyFile: environment["HCSD_TLS_KEY"] || undefined,
  };
}

/**
 * Return the credentials for TLS with these files.
 *
 * @throws {@link TlsError} One of them cannot be read or used.
 */
export async function tlsCredentials(files: TlsFiles): Promise<ChannelCredentials> {
  if ((files.certFile === undefined) !== (files.keyFile === undefined)) {
    throw new TlsError("a client's certificate needs its key, and the key its certificate");
  }
  const [ca, cert, key] = await Promise.all([
    readPem(files.caFile, "CA file"),
    readPem(files.certFile, "certificate file"),
    readPem(files.keyFile, "key file"),
  ]);
  check(files.caFile, "holds no certificate", () => ca && new X509Certificate(ca));
  check(files.certFile, "holds no certificate", () => cert && new X509Certificate(cert));
  check(files.keyFile, "does not hold the certificate's key", () =>
    createSecureContext({ cert, key }),
  );
  return credentials.createSsl(ca ?? null, key ?? null, cert ?? null);
}

async function readPem(file: string | undefined, kind: string): Promise<Buffer | undefined> {
  return file === undefined ? undefined : await read(file, kind, TlsError);
}

async function read(
  file: string,
  kind: string,
  Failure: typeof TokenFileError | typeof TlsError,
): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new Failure(`cannot read the ${kind} '${file}': ${problem}`, { cause: error });
  }
}

function check(file: string | undefined, problem: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw new TlsError(`the file '${String(file)}' ${problem} in PEM form`, { cause: error });
  }
}
