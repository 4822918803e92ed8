/** What proves to a daemon who calls, and to the caller that it is the daemon. */

import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";

import { type ChannelCredentials, credentials } from "@grpc/grpc-js";

import type { Address } from "./address.js";
import { type HcsdError, TlsError, TokenFileError } from "./errors.js";

/** What a client is told to use for TLS: names of files in PEM. */
export interface TlsOptions {
  /** Whether to use TLS, for TCP. Default: if one of the files is named. */
  readonly tls?: boolean | undefined;
  /**
   * CA of the daemon's certificate. Default: what `HCSD_TLS_CA` names, else, with `tls`, those that Node
   * trusts, to which `NODE_EXTRA_CA_CERTS` adds.
   */
  readonly tlsCaFile?: string | undefined;
  /**
   * Certificate of this client, and those between it and its CA after it, for a daemon that wants one.
   * Default: what `HCSD_TLS_CERT` names.
   */
  readonly tlsCertFile?: string | undefined;
  /** Its private key, without a passphrase. Default: what `HCSD_TLS_KEY` names. */
  readonly tlsKeyFile?: string | undefined;
}

/** The files in use. */
export interface TlsFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
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
      `will not send the token to ${address.toString()} in clear: name the CA of the daemon's ` +
        "certificate with tlsCaFile or HCSD_TLS_CA; or make a tunnel, as with " +
        `'ssh -L 7443:localhost:${String(address.port)} ${address.host}', and use its local end`,
    );
  }
  const token = (await readOr(TokenFileError, file, "token file")).toString("latin1").trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new TokenFileError(
      `the token file '${file}' does not hold a token; name the file that the daemon made with ` +
        "tokenFile or HCSD_TOKEN_FILE",
    );
  }
  return token;
}

/**
 * Return what to use for TLS, or undefined to speak in clear.
 *
 * @throws {@link TlsError} There is a certificate without a key, or the reverse.
 */
export function chooseTls(
  options: TlsOptions,
  environment: NodeJS.ProcessEnv = process.env,
): TlsFiles | undefined {
  const ca = options.tlsCaFile || environment["HCSD_TLS_CA"] || undefined;
  const cert = options.tlsCertFile || environment["HCSD_TLS_CERT"] || undefined;
  const key = options.tlsKeyFile || environment["HCSD_TLS_KEY"] || undefined;
  const named = ca !== undefined || cert !== undefined || key !== undefined;
  if (!(options.tls ?? named)) {
    return undefined;
  }
  if ((cert === undefined) !== (key === undefined)) {
    const [alone, other] = key === undefined ? ["certificate", "key"] : ["key", "certificate"];
    throw new TlsError(
      `the ${alone} of this client is of no use without its ${other}: name both, with tlsCertFile ` +
        "and tlsKeyFile, or HCSD_TLS_CERT and HCSD_TLS_KEY",
    );
  }
  return { ca, cert, key };
}

/**
 * Return the credentials for TLS with these files.
 *
 * @throws {@link TlsError} One of them cannot be read or used.
 */
export async function tlsCredentials(files: TlsFiles): Promise<ChannelCredentials> {
  const read = async (file: string | undefined): Promise<Buffer | undefined> =>
    file === undefined ? undefined : await readOr(TlsError, file, "TLS file");
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  check(files.ca, "it holds no certificate in PEM", () => ca && new X509Certificate(ca));
  check(files.cert, "it holds no certificate in PEM", () => cert && new X509Certificate(cert));
  check(
    files.key,
    "it does not hold the certificate's private key, in PEM and without a passphrase",
    () => createSecureContext({ cert, key }),
  );
  return credentials.createSsl(ca ?? null, key ?? null, cert ?? null);
}

async function readOr(
  Failure: new (message: string, options: ErrorOptions) => HcsdError,
  file: string,
  kind: string,
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
    throw new TlsError(`cannot use the TLS file '${String(file)}': ${problem}`, { cause: error });
  }
}
