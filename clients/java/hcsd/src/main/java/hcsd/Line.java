package hcsd;

import hcsd.v1.OutputStream;
import java.time.Instant;

/**
 * A line that a process has written.
 *
 * @param stream to which stream
 * @param text the line without its end, {@code \n} or {@code \r\n}; what is no UTF-8 is U+FFFD
 * @param time when the daemon read its first byte
 */
public record Line(OutputStream stream, String text, Instant time) {}
