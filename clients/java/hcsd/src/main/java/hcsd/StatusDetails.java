package hcsd;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import java.util.Optional;

/** What a status says besides its code and its words. */
final class StatusDetails {
    private static final String DOMAIN = "hcsd";

    private StatusDetails() {}

    /** Returns the daemon's own info; an empty one if somebody else made the status. */
    static ErrorInfo info(Status status) {
        return of(status, ErrorInfo.class)
                .filter(info -> info.getDomain().equals(DOMAIN))
                .orElse(ErrorInfo.getDefaultInstance());
    }

    /** Returns whether the daemon has said it, and nobody on the way to it. */
    static boolean isOfDaemon(Status status) {
        return !info(status).getDomain().isEmpty();
    }

    static <T extends Message> Optional<T> of(Status status, Class<T> type) {
        for (Any detail : status.getDetailsList()) {
            if (detail.is(type)) {
                try {
                    return Optional.of(detail.unpack(type));
                } catch (InvalidProtocolBufferException garbled) {
                    return Optional.empty(); // the status is worth more than its details
                }
            }
        }
        return Optional.empty();
    }
}
