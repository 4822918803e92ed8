/**
 * What proves to a daemon who calls, and to the caller that it is the daemon.
 *
 * Over TCP the daemon always proves itself first. Where the token and the CA come from is the same for
 * every client of hcsd: {@link chooseProof}.
 */

import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkServerIdentity, createSecureContext } from "node:tls";

import { type ChannelCredentials, credentials } from "@grpc/grpc-js";

import { type HcsdError, TlsError, TokenFileError } from "./errors.js";
import { defaultTokenFile } from "./folders.js";

/** What a client proves itself with over TCP, and what the daemon must; a Unix socket needs neither. */
export interface ProofOptions {
  /**
   * File with the daemon's token. Default: what `HCSD_TOKEN_FILE` names, else, if neither a CA nor a
   * client certificate is named, the token of the daemon of this user, if `server.pem` is beside it.
   */
  readonly tokenFile?: string | undefined;
  /**
   * CA of the daemon's certificate (PEM). Default: what `HCSD_TLS_CA` names, else `server.pem` beside the
   * token file if it is there, else those that Node trusts, to which `NODE_EXTRA_CA_CERTS` adds.
   */
  readonly tlsCaFile?: string | undefined;
  /**
   * Certificate of this client (PEM), and those between it and its CA after it, for a daemon that wants
   * one. Default: what `HCSD_TLS_CERT` names.
   */
  readonly tlsCertFile?: string | undefined;
  /** Its private key (PEM), without a passphrase. Default: what `HCSD_TLS_KEY` names. */
  readonly tlsKeyFile?: string | undefined;
  /**
   * Speak in clear, to a daemon that proves nothing; a file named together with this is an error.
   * Default: what `HCSD_INSECURE` says (`1` or `true`; `0`, `false` or nothing), else false.
   */
  readonly insecure?: boolean | undefined;
}

type FileOption = Exclude<keyof ProofOptions, "insecure">;

/** The files in use, by the option that names them. */
export type Proof = Readonly<Partial<Record<FileOption, string>>>;

const VARIABLES: readonly (readonly [FileOption, string])[] = [
  ["tokenFile", "HCSD_TOKEN_FILE"],
  ["tlsCaFile", "HCSD_TLS_CA"],
  ["tlsCertFile", "HCSD_TLS_CERT"],
  ["tlsKeyFile", "HCSD_TLS_KEY"],
];

const ANSWERS = new Map([
  ["", false],
  ["0", false],
  ["false", false],
  ["1", true],
  ["true", true],
]);

/**
 * Return the files to use with a TCP address, or undefined to speak in clear.
 *
 * @throws {@link TokenFileError} A token file is named for clear text.
 * @throws {@link TlsError} Another file is; `HCSD_INSECURE` is neither yes nor no; or there is a
 * certificate without a key, or the reverse.
 */
export function chooseProof(
  options: ProofOptions,
  environment: NodeJS.ProcessEnv = process.env,
  exists: (file: string) => boolean = existsSync,
): Proof | undefined {
  const named: Partial<Record<FileOption, string>> = {};
  for (const [option, variable] of VARIABLES) {
    const file = options[option] || environment[variable];
    if (file) {
      named[option] = file;
    }
  }
  if (options.insecure ?? isYes(environment["HCSD_INSECURE"] ?? "")) {
    refuseFiles(named, options, options.insecure ? "insecure" : "HCSD_INSECURE");
    return undefined;
  }
  checkPair(named.tlsCertFile, named.tlsKeyFile);
  const { tokenFile, tlsCaFile } = named;
  if (tokenFile && !tlsCaFile && exists(certificateBeside(tokenFile))) {
    return { ...named, tlsCaFile: certificateBeside(tokenFile) };
  }
  const own = defaultTokenFile(environment);
  // A token that nobody has named is only for the daemon whose certificate is beside it.
  const none = Object.keys(named).length === 0;
  if (none && exists(own) && exists(certificateBeside(own))) {
    return { tokenFile: own, tlsCaFile: certificateBeside(own) };
  }
  return named;
}

/**
 * Read a token.
 *
 * @throws {@link TokenFileError} The file cannot be read or does not hold one.
 */
export async function readToken(file: string): Promise<string> {
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
 * Return the credentials for TLS with these files and the daemon at this host.
 *
 * @throws {@link TlsError} One of them cannot be read or used.
 */
export async function tlsCredentials(files: Proof, host: string): Promise<ChannelCredentials> {
  const read = async (file: string | undefined): Promise<Buffer | undefined> =>
    file === undefined ? undefined : await readOr(TlsError, file, "TLS file");
  const { tlsCaFile, tlsCertFile, tlsKeyFile } = files;
  const [ca, cert, key] = await Promise.all([tlsCaFile, tlsCertFile, tlsKeyFile].map(read));
  check(tlsCaFile, "it holds no certificate in PEM", () => ca && new X509Certificate(ca));
  check(tlsCertFile, "it holds no certificate in PEM", () => cert && new X509Certificate(cert));
  check(
    tlsKeyFile,
    "it does not hold the certificate's private key, in PEM and without a passphrase",
    () => createSecureContext({ cert, key }),
  );
  return credentials.createSsl(ca ?? null, key ?? null, cert ?? null, {
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  });
}

/** Return where a daemon puts the certificate of its own CA. */
function certificateBeside(tokenFile: string): string {
  return join(dirname(tokenFile), "server.pem");
}

function isYes(text: string): boolean {
  const answer = ANSWERS.get(text);
  if (answer === undefined) {
    throw new TlsError(
      `HCSD_INSECURE is '${text}', which is neither yes nor no: write 1 for clear text; write 0, or ` +
        "leave it out, for TLS",
    );
  }
  return answer;
}

/** Refuse what is of no use in clear text, or must not be sent in it. */
function refuseFiles(named: Proof, options: ProofOptions, clear: string): void {
  for (const [option, variable] of VARIABLES) {
    const file = named[option];
    if (file !== undefined) {
      const isToken = option === "tokenFile";
      const why = isToken ? "a token is never sent in clear" : "clear text uses no file of TLS";
      const by = options[option] ? option : variable;
      const message = `${clear} asks for clear text, and ${by} names '${file}': ${why}; leave out one of the two`;
      throw isToken ? new TokenFileError(message) : new TlsError(message);
    }
  }
}

function checkPair(cert: string | undefined, key: string | undefined): void {
  if ((cert === undefined) !== (key === undefined)) {
    const [alone, other] = key === undefined ? ["certificate", "key"] : ["key", "certificate"];
    throw new TlsError(
      `the ${alone} of this client is of no use without its ${other}: name both, with tlsCertFile ` +
        "and tlsKeyFile, or HCSD_TLS_CERT and HCSD_TLS_KEY",
    );
  }
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
