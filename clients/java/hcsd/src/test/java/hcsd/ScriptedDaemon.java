package hcsd;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import hcsd.v1.CreateProcessRequest;
import hcsd.v1.CreateProcessResponse;
import hcsd.v1.DeleteProcessRequest;
import hcsd.v1.DeleteProcessResponse;
import hcsd.v1.EventServiceGrpc;
import hcsd.v1.ExecProcessRequest;
import hcsd.v1.ExecProcessResponse;
import hcsd.v1.GetHostRequest;
import hcsd.v1.GetHostResponse;
import hcsd.v1.GetProcessRequest;
import hcsd.v1.GetProcessResponse;
import hcsd.v1.HostServiceGrpc;
import hcsd.v1.Process;
import hcsd.v1.ProcessServiceGrpc;
import hcsd.v1.ReadOutputRequest;
import hcsd.v1.ReadOutputResponse;
import hcsd.v1.RunProcessRequest;
import hcsd.v1.RunProcessResponse;
import hcsd.v1.SignalProcessRequest;
import hcsd.v1.SignalProcessResponse;
import hcsd.v1.TerminateProcessRequest;
import hcsd.v1.TerminateProcessResponse;
import hcsd.v1.TerminateScope;
import hcsd.v1.WaitProcessRequest;
import hcsd.v1.WaitProcessResponse;
import hcsd.v1.WatchEventsRequest;
import hcsd.v1.WatchEventsResponse;
import hcsd.v1.WriteInputRequest;
import hcsd.v1.WriteInputResponse;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;

/** A server at a TCP port that answers as a test tells it, over the real transport. */
final class ScriptedDaemon extends ProcessServiceGrpc.ProcessServiceImplBase {
    static final Process PROCESS =
            Process.newBuilder()
                    .setName("systems/host/processes/p")
                    .setUid("uid")
                    .setIncarnation("boot")
                    .build();

    /** What calls with one answer fail with, one each; then they succeed. WaitProcess waits. */
    final Queue<RuntimeException> failures = new ArrayDeque<>();

    /** What each ReadOutput call does, in turn. */
    final Queue<Consumer<StreamObserver<ReadOutputResponse>>> reads = new ArrayDeque<>();

    final BlockingQueue<Object> received = new LinkedBlockingQueue<>();
    final CompletableFuture<Void> ownerGone = new CompletableFuture<>();
    final CompletableFuture<Void> waitCancelled = new CompletableFuture<>();

    /** What each WatchEvents and each RunProcess call does, in turn; then they stay silent. */
    final Queue<Consumer<StreamObserver<WatchEventsResponse>>> watches = new ArrayDeque<>();

    final Queue<Consumer<StreamObserver<RunProcessResponse>>> runs = new ArrayDeque<>();

    /** What WaitProcess, TerminateProcess and WriteInput calls answer; then as above. */
    final Queue<Consumer<StreamObserver<WaitProcessResponse>>> waits = new ArrayDeque<>();

    final Queue<Consumer<StreamObserver<WriteInputResponse>>> writes = new ArrayDeque<>();

    final Queue<Consumer<StreamObserver<ExecProcessResponse>>> executions = new ArrayDeque<>();

    /** What RunProcess calls were asked, as a queue of its own: they come beside all else. */
    final BlockingQueue<RunProcessRequest> owned = new LinkedBlockingQueue<>();

    volatile String incarnation = "boot";

    /** Its incarnation after the next of the failures; null for the same. */
    volatile String incarnationAfterFailure;

    private final Server server;

    ScriptedDaemon() throws IOException {
        this(0);
    }

    ScriptedDaemon(int port) throws IOException {
        this(port, InsecureServerCredentials.create());
    }

    ScriptedDaemon(ServerCredentials credentials) throws IOException {
        this(0, credentials);
    }

    private ScriptedDaemon(int port, ServerCredentials credentials) throws IOException {
        server =
                NettyServerBuilder.forAddress(
                                new InetSocketAddress(InetAddress.getLoopbackAddress(), port),
                                credentials)
                        .addService(this)
                        .addService(new Host())
                        .addService(new Events())
                        .intercept(new Incarnations())
                        .build()
                        .start();
    }

    int port() {
        return server.getPort();
    }

    HcsdClient client(int attempts) {
        return client(port(), attempts);
    }

    static HcsdClient client(int port, int attempts) {
        return builder(port, attempts).connect();
    }

    static HcsdClientBuilder builder(int port, int attempts) {
        Duration soon = Duration.ofMillis(1);
        return HcsdClient.builder()
                .address("127.0.0.1:" + port)
                .insecure(true)
                .retry(new Retry(attempts, soon, soon));
    }

    void stop() throws InterruptedException {
        server.shutdownNow().awaitTermination();
    }

    @Override
    public void getProcess(GetProcessRequest request, StreamObserver<GetProcessResponse> answer) {
        answer(request, GetProcessResponse.newBuilder().setProcess(PROCESS).build(), answer);
    }

    @Override
    public void signalProcess(
            SignalProcessRequest request, StreamObserver<SignalProcessResponse> answer) {
        answer(request, SignalProcessResponse.getDefaultInstance(), answer);
    }

    @Override
    public void createProcess(
            CreateProcessRequest request, StreamObserver<CreateProcessResponse> answer) {
        answer(request, CreateProcessResponse.newBuilder().setProcess(PROCESS).build(), answer);
    }

    @Override
    public void terminateProcess(
            TerminateProcessRequest request, StreamObserver<TerminateProcessResponse> answer) {
        answer(
                request,
                TerminateProcessResponse.newBuilder()
                        .setProcess(PROCESS)
                        .setScopeApplied(TerminateScope.TERMINATE_SCOPE_TREE)
                        .setDescendantsKilled(3)
                        .build(),
                answer);
    }

    @Override
    public void deleteProcess(
            DeleteProcessRequest request, StreamObserver<DeleteProcessResponse> answer) {
        answer(
                request,
                DeleteProcessResponse.newBuilder()
                        .setScopeApplied(TerminateScope.TERMINATE_SCOPE_PROCESS)
                        .build(),
                answer);
    }

    @Override
    public void waitProcess(
            WaitProcessRequest request, StreamObserver<WaitProcessResponse> answer) {
        if (answer instanceof ServerCallStreamObserver<WaitProcessResponse> call) {
            call.setOnCancelHandler(() -> waitCancelled.complete(null));
        }
        received.add(request);
        Consumer<StreamObserver<WaitProcessResponse>> wait = waits.poll();
        if (wait != null) {
            wait.accept(answer);
        }
    }

    @Override
    public void execProcess(
            ExecProcessRequest request, StreamObserver<ExecProcessResponse> answer) {
        received.add(request);
        executions.remove().accept(answer);
    }

    @Override
    public void writeInput(WriteInputRequest request, StreamObserver<WriteInputResponse> answer) {
        received.add(request);
        writes.remove().accept(answer);
    }

    @Override
    public StreamObserver<RunProcessRequest> runProcess(StreamObserver<RunProcessResponse> answer) {
        if (answer instanceof ServerCallStreamObserver<RunProcessResponse> call) {
            call.setOnCancelHandler(() -> ownerGone.complete(null));
        }
        return new StreamObserver<>() {
            @Override
            public void onNext(RunProcessRequest request) {
                owned.add(request);
                Consumer<StreamObserver<RunProcessResponse>> run = runs.poll();
                if (run != null) {
                    run.accept(answer);
                }
            }

            @Override
            public void onError(Throwable cancelled) {}

            @Override
            public void onCompleted() {}
        };
    }

    @Override
    public void readOutput(ReadOutputRequest request, StreamObserver<ReadOutputResponse> answer) {
        received.add(request);
        reads.remove().accept(answer);
    }

    private <T> void answer(Object request, T response, StreamObserver<T> answer) {
        received.add(request);
        RuntimeException failure = failures.poll();
        if (failure != null) {
            incarnation = incarnationAfterFailure == null ? incarnation : incarnationAfterFailure;
            answer.onError(failure);
            return;
        }
        answer.onNext(response);
        answer.onCompleted();
    }

    /** Tells its incarnation; it fails as the processes do. */
    private final class Host extends HostServiceGrpc.HostServiceImplBase {
        @Override
        public void getHost(GetHostRequest request, StreamObserver<GetHostResponse> answer) {
            received.add(request);
            answer.onNext(GetHostResponse.newBuilder().setIncarnation(incarnation).build());
            answer.onCompleted();
        }
    }

    private final class Events extends EventServiceGrpc.EventServiceImplBase {
        @Override
        public void watchEvents(
                WatchEventsRequest request, StreamObserver<WatchEventsResponse> answer) {
            received.add(request);
            Consumer<StreamObserver<WatchEventsResponse>> watch = watches.poll();
            if (watch != null) {
                watch.accept(answer);
            }
        }
    }

    /** Refuses calls for another run of the daemon. */
    private final class Incarnations implements ServerInterceptor {
        private static final Metadata.Key<String> KEY =
                Metadata.Key.of("hcsd-incarnation", Metadata.ASCII_STRING_MARSHALLER);

        @Override
        public <Q, R> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
            String meant = headers.get(KEY);
            if (meant == null || meant.equals(incarnation)) {
                return next.startCall(call, headers);
            }
            StatusRuntimeException refusal =
                    failure(Status.Code.FAILED_PRECONDITION, "DAEMON_RESTARTED");
            call.close(refusal.getStatus(), refusal.getTrailers());
            return new ServerCall.Listener<>() {};
        }
    }

    /** Does something when the caller cancels a call; to be said before the call is answered. */
    static void onCancel(StreamObserver<?> answer, Runnable work) {
        if (answer instanceof ServerCallStreamObserver<?> call) {
            call.setOnCancelHandler(work);
        }
    }

    /** Returns a failure as a daemon tells it. */
    static StatusRuntimeException failure(Status.Code code, String reason) {
        return StatusProto.toStatusRuntimeException(told(code, reason).build());
    }

    /** Returns a failure of a daemon that knows when a retry is safe. */
    static StatusRuntimeException failure(Status.Code code, String reason, Duration retry) {
        RetryInfo info = RetryInfo.newBuilder().setRetryDelay(Durations.wire(retry)).build();
        return StatusProto.toStatusRuntimeException(
                told(code, reason).addDetails(Any.pack(info)).build());
    }

    private static com.google.rpc.Status.Builder told(Status.Code code, String reason) {
        ErrorInfo info = ErrorInfo.newBuilder().setDomain("hcsd").setReason(reason).build();
        return com.google.rpc.Status.newBuilder()
                .setCode(code.value())
                .setMessage("words")
                .addDetails(Any.pack(info));
    }

    static RuntimeException unavailable() {
        return Status.UNAVAILABLE.withDescription("not now").asRuntimeException();
    }
}
