package hcsd.conformance;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** What an output has given since its process object was made. */
final class Digest {
    private final InputStream output;
    private final MessageDigest sha256 = sha256();
    private final byte[] buffer = new byte[64 * 1024];
    private long count;

    Digest(InputStream output) {
        this.output = output;
    }

    JsonObject read(long until) throws IOException {
        boolean ended = false;
        while (!ended && count < until) {
            int got = output.read(buffer);
            ended = got < 0;
            if (!ended) {
                sha256.update(buffer, 0, got);
                count += got;
            }
        }
        JsonObject answer = of(count, copy(sha256));
        answer.addProperty("ended", ended);
        return answer;
    }

    static JsonObject of(byte[] data) {
        MessageDigest digest = sha256();
        digest.update(data);
        return of(data.length, digest);
    }

    private static JsonObject of(long count, MessageDigest digest) {
        JsonObject answer = new JsonObject();
        answer.addProperty("bytes", count);
        answer.addProperty("sha256", HexFormat.of().formatHex(digest.digest()));
        return answer;
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error); // every Java has it
        }
    }

    private static MessageDigest copy(MessageDigest digest) {
        try {
            return (MessageDigest) digest.clone();
        } catch (CloneNotSupportedException error) {
            throw new IllegalStateException(error); // that of the JDK can
        }
    }
}
