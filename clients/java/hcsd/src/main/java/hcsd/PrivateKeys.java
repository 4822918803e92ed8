package hcsd;

import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Private keys in PEM. Java reads those of PKCS #8 alone; what OpenSSL writes for RSA and for
 * elliptic curves may be of an older form, which PKCS #8 has inside.
 */
final class PrivateKeys {
    private static final Pattern PEM =
            Pattern.compile("-----BEGIN (RSA |EC |)PRIVATE KEY-----([^-]*)-----END");
    private static final byte[] VERSION = {2, 1, 0};
    private static final byte[] RSA = {6, 9, 42, -122, 72, -122, -9, 13, 1, 1, 1, 5, 0};
    private static final byte[] EC = {6, 7, 42, -122, 72, -50, 61, 2, 1};
    private static final int OCTETS = 0x04;
    private static final int SEQUENCE = 0x30;
    private static final int CURVE = 0xA0; // the member of an EC key that names it

    private PrivateKeys() {}

    /**
     * Returns a key as PEM of PKCS #8.
     *
     * @throws GeneralSecurityException it is none
     */
    static String toPkcs8(String pem) throws GeneralSecurityException {
        Matcher found = PEM.matcher(pem);
        if (!found.find()) {
            throw new GeneralSecurityException(
                    "it holds no private key in PEM, or an encrypted one");
        }
        byte[] key;
        try {
            byte[] der = Base64.getMimeDecoder().decode(found.group(2));
            key =
                    switch (found.group(1)) {
                        case "RSA " -> wrap(RSA, der);
                        case "EC " -> wrap(join(EC, curveOf(der)), der);
                        default -> der;
                    };
        } catch (IllegalArgumentException | IndexOutOfBoundsException garbled) {
            throw new GeneralSecurityException("its private key is garbled", garbled);
        }
        check(key);
        String lines = Base64.getMimeEncoder().encodeToString(key);
        return "-----BEGIN PRIVATE KEY-----\n" + lines + "\n-----END PRIVATE KEY-----\n";
    }

    private static void check(byte[] key) throws GeneralSecurityException {
        for (String algorithm : new String[] {"RSA", "EC", "EdDSA"}) {
            try {
                KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(key));
                return;
            } catch (GeneralSecurityException another) {
                continue; // the next algorithm may be the right one
            }
        }
        throw new GeneralSecurityException("its private key is of no kind that is known here");
    }

    private static byte[] wrap(byte[] algorithm, byte[] key) {
        return element(
                SEQUENCE, join(VERSION, join(element(SEQUENCE, algorithm), element(OCTETS, key))));
    }

    /** Returns the name of the curve, which follows the version and the secret. */
    private static byte[] curveOf(byte[] der) {
        int at = content(der, 0);
        while ((der[at] & 0xFF) != CURVE) {
            at = content(der, at) + length(der, at);
        }
        int start = content(der, at);
        return Arrays.copyOfRange(der, start, start + length(der, at));
    }

    private static int content(byte[] der, int at) {
        int first = der[at + 1] & 0xFF;
        return at + 2 + (first < 0x80 ? 0 : first & 0x7F);
    }

    private static int length(byte[] der, int at) {
        int length = der[at + 1] & 0xFF;
        if (length >= 0x80) {
            int end = content(der, at);
            length = 0;
            for (int i = at + 2; i < end; i++) {
                length = length << 8 | der[i] & 0xFF;
            }
        }
        return length;
    }

    private static byte[] element(int tag, byte[] content) {
        int length = content.length;
        byte[] head;
        if (length < 0x80) {
            head = new byte[] {(byte) tag, (byte) length};
        } else if (length < 0x100) { // DER wants the shortest form
            head = new byte[] {(byte) tag, (byte) 0x81, (byte) length};
        } else {
            head = new byte[] {(byte) tag, (byte) 0x82, (byte) (length >> 8), (byte) length};
        }
        return join(head, content);
    }

    private static byte[] join(byte[] one, byte[] other) {
        ByteArrayOutputStream joined = new ByteArrayOutputStream();
        joined.writeBytes(one);
        joined.writeBytes(other);
        return joined.toByteArray();
    }
}
