package hcsd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.ResourceInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import hcsd.v1.HcsErrorDetail;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class FailuresTest {
    private ScriptedDaemon daemon;
    private HcsdClient client;

    @BeforeEach
    void start() throws Exception {
        daemon = new ScriptedDaemon();
        client = daemon.client(0);
    }

    @AfterEach
    void stop() throws Exception {
        client.close();
        daemon.stop();
    }

    @ParameterizedTest
    @CsvSource({
        "NOT_FOUND, EXECUTABLE_NOT_FOUND, ExecutableNotFound",
        "NOT_FOUND, SOMETHING_NEW, NotFound",
        "ALREADY_EXISTS, REQUEST_ID_REUSED, RequestIdReused",
        "FAILED_PRECONDITION, DAEMON_RESTARTED, DaemonRestarted",
        "FAILED_PRECONDITION, STDIN_BUSY, StdinBusy",
        "FAILED_PRECONDITION, STDIN_CLOSED, StdinClosed",
        "OUT_OF_RANGE, OUTPUT_EVICTED, OutputEvicted",
        "OUT_OF_RANGE, REVISION_COMPACTED, RevisionCompacted",
        "ABORTED, STDIN_TAKEN_OVER, StdinTakenOver",
        "ABORTED, SUBSCRIBER_STALLED, SubscriberStalled",
        "UNAVAILABLE, HCS_IS_AWAY, Unavailable"
    })
    void theReasonMakesTheClass(Code code, String reason, String name) {
        HcsdException error = failing(status(code).addDetails(info(reason, "hcsd")));
        assertEquals(name, error.getClass().getSimpleName());
        assertEquals(reason, error.reason());
        assertEquals(Optional.of(code), error.code());
        assertEquals("words", error.getMessage());
    }

    @ParameterizedTest
    @EnumSource(value = Code.class, mode = EnumSource.Mode.EXCLUDE, names = "OK")
    void everyCodeHasAClass(Code code) {
        HcsdException error = failing(status(code).addDetails(info("SOMETHING_NEW", "hcsd")));
        assertEquals(Optional.of(code), error.code());
        assertTrue(HcsdException.class != error.getClass());
    }

    @ParameterizedTest
    @EnumSource(names = {"UNAVAILABLE", "INTERNAL", "UNKNOWN", "CANCELLED"})
    void whatTheDaemonHasNotSaidIsALostConnection(Code code) {
        for (Status.Builder status :
                List.of(status(code), status(code).addDetails(info("PROXY", "other")))) {
            HcsdException error = failing(status);
            assertSame(HcsdException.ConnectionLost.class, error.getClass());
            assertTrue(error.getMessage().endsWith(": words"), error.getMessage());
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"INTERNAL", "UNKNOWN", "CANCELLED"})
    void whatTheDaemonHasSaidIsNotALostConnection(Code code) {
        HcsdException error = failing(status(code).addDetails(info("ITS_OWN", "hcsd")));
        assertFalse(error instanceof HcsdException.Unavailable, error.toString());
    }

    @Test
    void aReasonOfSomebodyElseIsNone() {
        HcsdException error =
                failing(status(Code.ABORTED).addDetails(info("STDIN_TAKEN_OVER", "other")));
        assertSame(HcsdException.Aborted.class, error.getClass());
        assertEquals("", error.reason());
    }

    @Test
    void theDetailsAreTold() {
        BadRequest bad =
                BadRequest.newBuilder()
                        .addFieldViolations(
                                BadRequest.FieldViolation.newBuilder()
                                        .setField("spec.argv.args")
                                        .setReason("required"))
                        .build();
        ResourceInfo resource = ResourceInfo.newBuilder().setResourceName("systems/x").build();
        RetryInfo retry =
                RetryInfo.newBuilder()
                        .setRetryDelay(
                                com.google.protobuf.Duration.newBuilder()
                                        .setSeconds(1)
                                        .setNanos(500_000_000))
                        .build();
        HcsErrorDetail hcs = HcsErrorDetail.newBuilder().setHresult(0x8037010E).build();
        HcsdException error =
                failing(
                        status(Code.INVALID_ARGUMENT)
                                .addDetails(Any.pack(bad))
                                .addDetails(Any.pack(resource))
                                .addDetails(Any.pack(retry))
                                .addDetails(Any.pack(hcs)));
        assertEquals(bad.getFieldViolationsList(), error.violations());
        assertEquals(Optional.of(resource), error.resource());
        assertEquals(Optional.of(Duration.ofMillis(1500)), error.retryDelay());
        assertEquals(Optional.of(hcs), error.hcs());
        assertEquals(OptionalLong.of(0x8037010EL), error.hresult());
    }

    @Test
    void theHresultMayComeWithoutWordsOfHcs() {
        ErrorInfo info =
                ErrorInfo.newBuilder()
                        .setDomain("hcsd")
                        .putMetadata("hresult", "0x80370109")
                        .build();
        HcsdException error = failing(status(Code.INTERNAL).addDetails(Any.pack(info)));
        assertEquals(OptionalLong.of(0x80370109L), error.hresult());
        assertEquals(Map.of("hresult", "0x80370109"), error.metadata());
    }

    @Test
    void garbledDetailsLeaveTheStatus() {
        Metadata trailers = new Metadata();
        trailers.put(
                Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER),
                new byte[] {(byte) 0xFF, 0x01});
        daemon.failures.add(
                io.grpc.Status.NOT_FOUND.withDescription("words").asRuntimeException(trailers));
        HcsdException error =
                assertThrows(HcsdException.NotFound.class, () -> client.open("systems/x"));
        assertEquals("words", error.getMessage());
    }

    @Test
    void theTraceIsThatOfTheCaller() {
        HcsdException error = failing(status(Code.NOT_FOUND));
        assertTrue(
                Arrays.stream(error.getStackTrace())
                        .anyMatch(frame -> frame.getClassName().equals(getClass().getName())));
    }

    private HcsdException failing(Status.Builder status) {
        daemon.failures.add(StatusProto.toStatusRuntimeException(status.build()));
        return assertThrows(HcsdException.class, () -> client.open("systems/host/processes/p"));
    }

    private static Status.Builder status(Code code) {
        return Status.newBuilder().setCode(code.value()).setMessage("words");
    }

    private static Any info(String reason, String domain) {
        return Any.pack(ErrorInfo.newBuilder().setReason(reason).setDomain(domain).build());
    }
}
