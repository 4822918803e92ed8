import assert from "node:assert/strict";
import { test } from "node:test";

import { TlsError, TokenFileError } from "hcsd";

import { chooseProof, type Proof, type ProofOptions } from "../src/credentials.js";
import { defaultTokenFile } from "../src/folders.js";

const HOME = { HOME: "/home/me", PROGRAMDATA: "/data" };
const OWN = defaultTokenFile(HOME);
const OWN_CA = OWN.replace(/token$/, "server.pem");
const PAIR = { tlsCertFile: "/me.pem", tlsKeyFile: "/me.key" };

interface Row {
  readonly title: string;
  readonly options?: ProofOptions;
  readonly environment?: Readonly<Record<string, string>>;
  /** The files that there are. */
  readonly files?: readonly string[];
}

const CHOSEN: readonly (Row & { readonly proof: Proof | undefined })[] = [
  { title: "nothing: the CAs that Node trusts", proof: {} },
  {
    title: "the daemon's own token, if its certificate is beside it",
    files: [OWN, OWN_CA],
    proof: { tokenFile: OWN, tlsCaFile: OWN_CA },
  },
  { title: "no token of the daemon without its certificate", files: [OWN], proof: {} },
  { title: "no certificate of the daemon without its token", files: [OWN_CA], proof: {} },
  {
    title: "no token that is not named to the holder of a named CA",
    options: { tlsCaFile: "/ca" },
    files: [OWN, OWN_CA],
    proof: { tlsCaFile: "/ca" },
  },
  {
    title: "no token that is not named beside a client certificate",
    options: PAIR,
    files: [OWN, OWN_CA],
    proof: PAIR,
  },
  {
    title: "a token alone",
    options: { tokenFile: "/a/token" },
    files: [OWN, OWN_CA],
    proof: { tokenFile: "/a/token" },
  },
  {
    title: "a token, and the certificate beside it",
    environment: { HCSD_TOKEN_FILE: "/a/token" },
    files: ["/a/server.pem"],
    proof: { tokenFile: "/a/token", tlsCaFile: "/a/server.pem" },
  },
  {
    title: "a CA that is named before the certificate beside the token",
    options: { tokenFile: "/a/token" },
    environment: { HCSD_TLS_CA: "/ca" },
    files: ["/a/server.pem"],
    proof: { tokenFile: "/a/token", tlsCaFile: "/ca" },
  },
  {
    title: "options before variables",
    options: { tokenFile: "/a/token", tlsCaFile: "/a/ca", ...PAIR, insecure: false },
    environment: {
      HCSD_TOKEN_FILE: "/b/token",
      HCSD_TLS_CA: "/b/ca",
      HCSD_TLS_CERT: "/b/cert",
      HCSD_TLS_KEY: "/b/key",
      HCSD_INSECURE: "1",
    },
    proof: { tokenFile: "/a/token", tlsCaFile: "/a/ca", ...PAIR },
  },
  {
    title: "variables that are empty are none",
    environment: { HCSD_TOKEN_FILE: "", HCSD_TLS_CA: "", HCSD_INSECURE: "" },
    proof: {},
  },
  { title: "HCSD_INSECURE=0 is no", environment: { HCSD_INSECURE: "0" }, proof: {} },
  { title: "HCSD_INSECURE=false is no", environment: { HCSD_INSECURE: "false" }, proof: {} },
  { title: "HCSD_INSECURE=1 is yes", environment: { HCSD_INSECURE: "1" }, proof: undefined },
  { title: "HCSD_INSECURE=true is yes", environment: { HCSD_INSECURE: "true" }, proof: undefined },
  {
    title: "clear text without a token, though there is one",
    options: { insecure: true },
    environment: { HCSD_INSECURE: "maybe" },
    files: [OWN, OWN_CA],
    proof: undefined,
  },
];

for (const { title, options = {}, environment = {}, files = [], proof } of CHOSEN) {
  test(`chosen: ${title}`, () => {
    const exists = (file: string): boolean => files.includes(file);
    assert.deepEqual(chooseProof(options, { ...HOME, ...environment }, exists), proof);
  });
}

const REFUSED: readonly (Row & {
  readonly kind: typeof TlsError | typeof TokenFileError;
  readonly message: RegExp;
})[] = [
  {
    title: "a token in clear",
    options: { insecure: true, tokenFile: "/a/token" },
    kind: TokenFileError,
    message: /^insecure .*tokenFile names '\/a\/token'.*never sent in clear; leave out one/,
  },
  {
    title: "a token in clear, by variables",
    environment: { HCSD_INSECURE: "1", HCSD_TOKEN_FILE: "/a/token" },
    kind: TokenFileError,
    message: /^HCSD_INSECURE .*HCSD_TOKEN_FILE names '\/a\/token'/,
  },
  {
    title: "a CA in clear",
    options: { insecure: true },
    environment: { HCSD_TLS_CA: "/ca" },
    kind: TlsError,
    message: /^insecure .*HCSD_TLS_CA names '\/ca'/,
  },
  {
    title: "a client certificate in clear",
    options: PAIR,
    environment: { HCSD_INSECURE: "true" },
    kind: TlsError,
    message: /^HCSD_INSECURE .*tlsCertFile names '\/me\.pem'/,
  },
  {
    title: "a key in clear",
    environment: { HCSD_INSECURE: "1", HCSD_TLS_KEY: "/me.key" },
    kind: TlsError,
    message: /HCSD_TLS_KEY names '\/me\.key'/,
  },
  {
    title: "neither yes nor no",
    environment: { HCSD_INSECURE: "maybe" },
    kind: TlsError,
    message: /HCSD_INSECURE is 'maybe'.*write 1/,
  },
];

for (const { title, options = {}, environment = {}, kind, message } of REFUSED) {
  test(`refused: ${title}`, () => {
    assert.throws(
      () => chooseProof(options, { ...HOME, ...environment }, () => false),
      (error) => {
        assert.ok(error instanceof kind);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
