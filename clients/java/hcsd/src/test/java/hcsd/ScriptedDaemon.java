package hcsd;

import hcsd.v1.CreateProcessRequest;
import hcsd.v1.CreateProcessResponse;
import hcsd.v1.DeleteProcessRequest;
import hcsd.v1.DeleteProcessResponse;
import hcsd.v1.GetProcessRequest;
import hcsd.v1.GetProcessResponse;
import hcsd.v1.Process;
import hcsd.v1.ProcessServiceGrpc;
import hcsd.v1.ReadOutputRequest;
import hcsd.v1.ReadOutputResponse;
import hcsd.v1.SignalProcessRequest;
import hcsd.v1.SignalProcessResponse;
import hcsd.v1.TerminateProcessRequest;
import hcsd.v1.TerminateProcessResponse;
import hcsd.v1.TerminateScope;
import hcsd.v1.WaitProcessRequest;
import hcsd.v1.WaitProcessResponse;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.ServerCredentials;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
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
    final CompletableFuture<Void> waitCancelled = new CompletableFuture<>();

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
        Duration soon = Duration.ofMillis(1);
        return HcsdClient.builder()
                .address("127.0.0.1:" + port)
                .insecure(true)
                .retry(new Retry(attempts, soon, soon))
                .connect();
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
            answer.onError(failure);
            return;
        }
        answer.onNext(response);
        answer.onCompleted();
    }

    static RuntimeException unavailable() {
        return Status.UNAVAILABLE.withDescription("not now").asRuntimeException();
    }
}
