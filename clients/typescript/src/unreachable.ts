/** Says in words why a daemon is out of reach, as far as grpc-js tells, or refuses the caller. */

import type { Address } from "./address.js";
import type { Proof } from "./credentials.js";

const HOW_TO_REACH = "start one with 'hcsd serve', or name its address with HCSD_ADDRESS";

/** What grpc-js says of a call that has never had a connection. */
const NEVER_CONNECTED = /^(No connection established|Name resolution failed)/;
const PREFIX = "No connection established. Last error: ";

/** What grpc-js says when the other side has closed a connection before it was of use. */
const HUNG_UP = /^Failed to connect$|ECONNRESET|EPIPE|socket disconnected|\balert\b/;

/** What to give a call up with whose connection is not made in time. */
export const SILENCE = `${PREFIX}it accepts connections and says nothing`;

/** Whether a call failed since there was no connection, rather than lost one on its way. */
export function neverConnected(details: string): boolean {
  return NEVER_CONNECTED.test(details);
}

/** Say what a client shows to a daemon that refuses it. */
export function shown(files: Proof | undefined): string {
  const parts = [
    files?.tokenFile && `the token in '${files.tokenFile}'`,
    files?.tlsCertFile && `the certificate in '${files.tlsCertFile}'`,
  ].filter(Boolean);
  return `this client sent ${parts.join(" and ") || "no token and no certificate"}`;
}

/** @param files - Those in use; undefined for clear text. */
export function explain(details: string, address: Address, files: Proof | undefined): string {
  const cause = causeIn(details);
  const known = files === undefined ? inClear(cause, address) : overTls(cause, address, files);
  const why = known ?? `${cause}; ${HOW_TO_REACH}`;
  return `cannot reach a daemon at ${address.toString()}: ${why}`;
}

function inClear(cause: string, address: Address): string | undefined {
  // The other side of TLS takes what is in clear for nonsense, and hangs up.
  return !address.isUnix && HUNG_UP.test(cause)
    ? "it does not speak gRPC in clear; if it is a daemon, leave out insecure and HCSD_INSECURE"
    : undefined;
}

function overTls(cause: string, { host }: Address, files: Proof): string | undefined {
  const { tlsCaFile: ca, tlsCertFile: cert } = files;
  const stranger =
    ca === undefined
      ? "a CA that Node trusts; name the server.pem of the daemon with tlsCaFile or HCSD_TLS_CA"
      : `the CA in '${ca}'; if the daemon was set up anew, copy its server.pem and its token again, ` +
        "or name its CA with tlsCaFile or HCSD_TLS_CA; if it was not, another program is listening " +
        "there";
  const another = cert === undefined ? "a" : "another than this";
  const rows: readonly (readonly [RegExp, string])[] = [
    [
      HUNG_UP,
      `it ended the TLS handshake; it may want ${another} client certificate: name one with ` +
        "tlsCertFile and tlsKeyFile, or HCSD_TLS_CERT and HCSD_TLS_KEY",
    ],
    [
      /altnames/,
      `its certificate is not for '${host}'; use a name that it is for, or have it made with this ` +
        "one as a subjectAltName",
    ],
    [/certificate has expired/, "its certificate has expired"],
    [/not yet valid/, "its certificate is not valid yet, by the clock here"],
    [/certificate/, `its certificate is not from ${stranger}`],
    [
      /wrong version number/,
      "it does not speak TLS, as every daemon does on TCP; another program may be listening there. " +
        "To speak in clear nevertheless, use insecure or HCSD_INSECURE=1",
    ],
    [
      /says nothing/,
      "it does not answer the TLS handshake; another program may be listening there",
    ],
  ];
  return rows.find(([pattern]) => pattern.test(cause))?.[1];
}

/** Shorten what grpc-js says to the system's own words. */
function causeIn(details: string): string {
  return details
    .replace(PREFIX, "")
    .replace(/^Error: /, "")
    .replace(/\.? Resolution note:.*$/s, "")
    .replace(/ \(\d{4}-[^)]*Z\)$/, "")
    .trim();
}
