package hcsd;

import com.google.protobuf.ByteString;
import hcsd.v1.OutputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.function.Consumer;

/** Cuts what a process writes to one stream into lines. For one thread at a time. */
final class LineCutter {
    // state  event                            next
    // EMPTY  bytes without a line end         BEGUN: they are kept
    // BEGUN  bytes without a line end         BEGUN, unless they are too many for a line
    // any    a line end                       EMPTY; the line is handed out, without it
    // BEGUN  the end, a gap, too many bytes   EMPTY; what there is of the line is handed out
    //
    // A line is decoded by itself, so a byte that is wrong spoils one line.

    static final int LONGEST = 1024 * 1024; // in bytes; a longer line comes in pieces

    private final OutputStream stream;
    private final Consumer<Line> lines;
    private final ByteArrayOutputStream begun = new ByteArrayOutputStream();
    private Instant time; // of its first byte

    LineCutter(OutputStream stream, Consumer<Line> lines) {
        this.stream = stream;
        this.lines = lines;
    }

    /** Hands out the lines that end in the data, and keeps the rest. */
    void cut(ByteString data, Instant read) {
        byte[] bytes = data.toByteArray();
        int start = 0;
        for (int end = 0; end < bytes.length; end++) {
            if (bytes[end] == '\n') {
                add(bytes, start, end, read);
                handOut();
                start = end + 1;
            }
        }
        if (start < bytes.length) {
            add(bytes, start, bytes.length, read);
            if (begun.size() >= LONGEST) {
                handOut();
            }
        }
    }

    /** Hands out a line that has no end. */
    void finish() {
        if (begun.size() > 0) {
            handOut();
        }
    }

    private void add(byte[] bytes, int start, int end, Instant read) {
        if (begun.size() == 0) {
            time = read;
        }
        begun.write(bytes, start, end - start);
    }

    private void handOut() {
        byte[] line = begun.toByteArray();
        begun.reset();
        int length = line.length;
        if (length > 0 && line[length - 1] == '\r') {
            length--;
        }
        lines.accept(new Line(stream, new String(line, 0, length, StandardCharsets.UTF_8), time));
    }
}
