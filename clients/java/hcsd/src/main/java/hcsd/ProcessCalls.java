package hcsd;

import hcsd.v1.Console;
import hcsd.v1.DeleteProcessRequest;
import hcsd.v1.DeleteProcessResponse;
import hcsd.v1.GetProcessRequest;
import hcsd.v1.ModifyProcessRequest;
import hcsd.v1.ModifyProcessResponse;
import hcsd.v1.Process;
import hcsd.v1.ProcessServiceGrpc;
import hcsd.v1.ProcessSignal;
import hcsd.v1.SignalProcessRequest;
import hcsd.v1.SignalProcessResponse;
import hcsd.v1.TerminateProcessRequest;
import hcsd.v1.TerminateProcessResponse;
import hcsd.v1.TerminateScope;
import hcsd.v1.WaitProcessRequest;
import hcsd.v1.WaitProcessResponse;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/** The calls about one process, repeated where that is safe. */
final class ProcessCalls {
    private final Connection connection; // pinned
    private final Process created;

    ProcessCalls(Connection connection, Process created) {
        this.connection = connection;
        this.created = created;
    }

    CompletableFuture<Process> get() {
        GetProcessRequest request =
                GetProcessRequest.newBuilder().setName(created.getName()).build();
        return Task.mapped(
                repeat(ProcessServiceGrpc.getGetProcessMethod(), request),
                answer -> Failures.same(created, answer.getProcess()));
    }

    /** Waits for the exit, and returns the process as it is then. */
    CompletableFuture<Process> exit() {
        MethodDescriptor<WaitProcessRequest, WaitProcessResponse> method =
                ProcessServiceGrpc.getWaitProcessMethod();
        WaitProcessRequest.Builder request =
                WaitProcessRequest.newBuilder().setName(created.getName());
        CompletableFuture<WaitProcessResponse> wait =
                LongWait.start(
                        connection.settings(),
                        named(method),
                        piece ->
                                connection.ask(
                                        method,
                                        request.setTimeout(piece.begin()).build(),
                                        piece.limit()),
                        WaitProcessResponse::getTimedOut);
        return Task.mapped(wait, answer -> Failures.same(created, answer.getProcess()));
    }

    /** Is sent once; while the daemon is away it waits. */
    CompletableFuture<SignalProcessResponse> signal(ProcessSignal signal) {
        MethodDescriptor<SignalProcessRequest, SignalProcessResponse> method =
                ProcessServiceGrpc.getSignalProcessMethod();
        SignalProcessRequest request =
                SignalProcessRequest.newBuilder()
                        .setName(created.getName())
                        .setSignal(signal)
                        .build();
        return Attempts.once(
                connection.settings(), named(method), () -> connection.ask(method, request));
    }

    CompletableFuture<TerminateProcessResponse> terminate(
            TerminateScope scope, Duration gracePeriod) {
        MethodDescriptor<TerminateProcessRequest, TerminateProcessResponse> method =
                ProcessServiceGrpc.getTerminateProcessMethod();
        TerminateProcessRequest.Builder request =
                TerminateProcessRequest.newBuilder().setName(created.getName()).setScope(scope);
        if (!gracePeriod.isZero()) {
            request.setGracePeriod(Durations.wire(gracePeriod));
        }
        return LongWait.start(
                connection.settings(),
                named(method),
                piece ->
                        connection.ask(
                                method, request.setTimeout(piece.begin()).build(), piece.limit()),
                TerminateProcessResponse::getTimedOut);
    }

    CompletableFuture<ModifyProcessResponse> resize(int columns, int rows) {
        ModifyProcessRequest request =
                ModifyProcessRequest.newBuilder()
                        .setName(created.getName())
                        .setConsoleSize(Console.newBuilder().setColumns(columns).setRows(rows))
                        .build();
        return repeat(ProcessServiceGrpc.getModifyProcessMethod(), request);
    }

    /**
     * @param killed what to kill first; null for nothing
     */
    CompletableFuture<DeleteProcessResponse> delete(TerminateScope killed) {
        DeleteProcessRequest.Builder request =
                DeleteProcessRequest.newBuilder().setName(created.getName()).setAllowMissing(true);
        if (killed != null) {
            request.setForce(true).setScope(killed);
        }
        return repeat(ProcessServiceGrpc.getDeleteProcessMethod(), request.build());
    }

    private <Q, R> CompletableFuture<R> repeat(MethodDescriptor<Q, R> method, Q request) {
        return Attempts.repeat(
                connection.settings(), named(method), () -> connection.ask(method, request));
    }

    private String named(MethodDescriptor<?, ?> method) {
        return method.getBareMethodName() + " of " + created.getName();
    }
}
