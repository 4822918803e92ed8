/** Certificates of a test's own. */

import { generateKeyPairSync } from "node:crypto";
import { isIP } from "node:net";

// Node reads certificates and makes none.
import forge from "node-forge";

const DAY_MS = 24 * 3600 * 1000;

const DNS = 2; // the kinds of names
const IP = 7;

/** A certificate and its private key, in PEM. */
export class Certificate {
  readonly cert: string;
  readonly key: string;

  /**
   * @param issuer - Who signs it; by default it does so itself, and may sign others.
   * @param host - Name or IP address that it is for.
   */
  constructor(name: string, issuer?: Certificate, host = "localhost") {
    const pair = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const made = forge.pki.createCertificate();
    made.publicKey = forge.pki.publicKeyFromPem(pair.publicKey);
    made.serialNumber = "01";
    made.validity.notBefore = new Date(Date.now() - DAY_MS);
    made.validity.notAfter = new Date(Date.now() + DAY_MS);
    made.setSubject([{ shortName: "CN", value: name }]);
    made.setIssuer(
      issuer === undefined
        ? made.subject.attributes
        : forge.pki.certificateFromPem(issuer.cert).subject.attributes,
    );
    made.setExtensions([
      { name: "basicConstraints", cA: issuer === undefined },
      {
        name: "subjectAltName",
        altNames: [isIP(host) ? { type: IP, ip: host } : { type: DNS, value: host }],
      },
    ]);
    const signer = issuer?.key ?? pair.privateKey;
    made.sign(forge.pki.privateKeyFromPem(signer), forge.md.sha256.create());
    this.cert = forge.pki.certificateToPem(made);
    this.key = pair.privateKey;
  }
}
