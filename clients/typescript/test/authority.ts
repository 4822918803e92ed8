/** Certificates of a test's own. */

import { generateKeyPairSync } from "node:crypto";

// Node reads certificates and makes none.
import forge from "node-forge";

const DAY_MS = 24 * 3600 * 1000;

/** A certificate for this machine and its private key, in PEM. */
export class Certificate {
  readonly cert: string;
  readonly key: string;

  /** @param issuer - Who signs it; by default it does so itself, and may sign others. */
  constructor(name: string, issuer?: Certificate) {
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
      { name: "subjectAltName", altNames: [{ type: 2, value: "localhost" }] },
    ]);
    const signer = issuer?.key ?? pair.privateKey;
    made.sign(forge.pki.privateKeyFromPem(signer), forge.md.sha256.create());
    this.cert = forge.pki.certificateToPem(made);
    this.key = pair.privateKey;
  }
}
