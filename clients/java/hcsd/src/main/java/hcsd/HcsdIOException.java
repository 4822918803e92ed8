package hcsd;

import java.io.IOException;

/**
 * The failure of a stream of a process, as {@code java.io} wants it; {@link #getCause} is the
 * failure itself.
 */
public final class HcsdIOException extends IOException {
    private static final long serialVersionUID = 1;

    HcsdIOException(HcsdException failure) {
        super(failure.getMessage(), failure);
    }

    /**
     * Returns what has failed, to be told apart as in {@code failure() instanceof
     * HcsdException.OutputEvicted}.
     *
     * @return the failure, never null
     */
    public HcsdException failure() {
        return (HcsdException) getCause();
    }
}
