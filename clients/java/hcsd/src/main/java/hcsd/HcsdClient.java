package hcsd;

import hcsd.v1.Argv;
import hcsd.v1.CreateProcessRequest;
import hcsd.v1.GetProcessRequest;
import hcsd.v1.ListProcessesRequest;
import hcsd.v1.ListProcessesResponse;
import hcsd.v1.OrphanPolicy;
import hcsd.v1.OverflowPolicy;
import hcsd.v1.Process;
import hcsd.v1.ProcessOptions;
import hcsd.v1.ProcessServiceGrpc;
import hcsd.v1.ProcessSpec;
import hcsd.v1.WatchEventsRequest;
import hcsd.v1.WatchEventsResponse;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/**
 * A connection to one daemon, and the processes that it gives.
 *
 * <pre>{@code
 * try (HcsdClient client = HcsdClient.connect();
 *         RemoteProcess process = client.run("sh", "-c", "echo hello; exit 7")) {
 *     Completed completed = process.communicate(new byte[0]);
 *     System.out.writeBytes(completed.stdout());
 *     System.out.println(completed.exit().getExitCode());
 * }
 * }</pre>
 *
 * <p>To read output as it comes, read both streams, each in a thread of its own: a process whose
 * stderr nobody reads waits once that is full. Or have one stream alone, by {@link
 * StartOptions#stderrToStdout} or {@link StartOptions#discard}.
 *
 * <p>It connects at the first call and never waits for a daemon that is not there. Messages are
 * those of {@code hcsd.v1}, documented there; names are resource names, as {@link Names} makes
 * them. {@link #call} and {@link #stream} reach everything of the contract.
 *
 * <p>Every method may throw a {@link HcsdException}: {@link HcsdException.DaemonUnreachable},
 * {@link HcsdException.ConnectionLost}, {@link HcsdException.Unavailable}, {@link
 * HcsdException.InvalidRequest}, {@link HcsdException.Unauthenticated}, {@link
 * HcsdException.PermissionDenied}, {@link HcsdException.Unimplemented}, {@link
 * HcsdException.ResourceExhausted}, {@link HcsdException.DeadlineExceeded}, {@link
 * HcsdException.Internal} and {@link HcsdException.ClientClosed}; those named with a method come on
 * top. No error of gRPC gets out.
 *
 * <p>An interrupt ends a call with an {@link InterruptedException}, and cancelling the future of a
 * method whose name ends in {@code Async}, or {@code orTimeout} on it, ends its call. That only
 * ends the wait for the answer: what the daemon has begun, it completes. All methods may be called
 * from any thread.
 */
public final class HcsdClient implements AutoCloseable {
    private static final long UNKNOWN = -1;
    private static final int BY_DEFAULT = OverflowPolicy.OVERFLOW_POLICY_UNSPECIFIED_VALUE;

    private final Address address;
    private final Connection connection;

    HcsdClient(Address address, Connection connection) {
        this.address = address;
        this.connection = connection;
    }

    /**
     * Returns a client of the daemon that the environment names, see {@link Address#byDefault}.
     *
     * @return the client
     */
    public static HcsdClient connect() {
        return builder().connect();
    }

    /**
     * Returns a client to be configured.
     *
     * @return the builder
     */
    public static HcsdClientBuilder builder() {
        return new HcsdClientBuilder();
    }

    /**
     * Returns the spec of a program with its arguments, for more to be set.
     *
     * @param args the program and its arguments
     * @return the spec
     */
    public static ProcessSpec.Builder argv(String... args) {
        return ProcessSpec.newBuilder().setArgv(Argv.newBuilder().addAllArgs(List.of(args)));
    }

    /**
     * Returns where the daemon listens.
     *
     * @return the address
     */
    public Address address() {
        return address;
    }

    /**
     * Starts a process that is for a block alone; see {@link #run(CreateProcessRequest,
     * StartOptions)}.
     *
     * @param args the program and its arguments
     * @return the process, killed when it is closed
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess run(String... args) throws InterruptedException {
        return run(argv(args).build());
    }

    /**
     * Starts a process that is for a block alone; see {@link #run(CreateProcessRequest,
     * StartOptions)}.
     *
     * @param spec what to run
     * @return the process, killed when it is closed
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess run(ProcessSpec spec) throws InterruptedException {
        return run(CreateProcessRequest.newBuilder().setSpec(spec).build());
    }

    /**
     * Starts a process that is for a block alone; see {@link #run(CreateProcessRequest,
     * StartOptions)}.
     *
     * @param spec what to run
     * @param options how it is kept
     * @return the process, killed when it is closed
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess run(ProcessSpec spec, StartOptions options) throws InterruptedException {
        return run(CreateProcessRequest.newBuilder().setSpec(spec).build(), options);
    }

    /**
     * Starts a process that is for a block alone, with the usual options; see {@link
     * #run(CreateProcessRequest, StartOptions)}.
     *
     * @param request what to run
     * @return the process, killed when it is closed
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess run(CreateProcessRequest request) throws InterruptedException {
        return run(request, new StartOptions());
    }

    /**
     * Starts a process that is for a block alone: {@link RemoteProcess#close} kills it with its
     * descendants.
     *
     * <p>If this program is killed, or cannot be reached for {@link StartOptions#ownerGrace}, the
     * daemon kills the process and its descendants; its exit reason is {@code OWNER_GONE}. So it
     * does if the client is closed first.
     *
     * <p>Nothing of its output is lost, however slowly it is read: as with a pipe, the process
     * waits for who reads it, unless the options or the spec say otherwise.
     *
     * @param request as of {@link #create(CreateProcessRequest, StartOptions)}, with the same
     *     errors
     * @param options how it is kept
     * @return the process, killed when it is closed
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess run(CreateProcessRequest request, StartOptions options)
            throws InterruptedException {
        return Task.await(runAsync(request, options));
    }

    /**
     * As {@link #run(CreateProcessRequest, StartOptions)}.
     *
     * @param request what to run
     * @param options how it is kept
     * @return the process, killed when it is closed
     */
    public CompletableFuture<RemoteProcess> runAsync(
            CreateProcessRequest request, StartOptions options) {
        CreateProcessRequest.Builder owned = request.toBuilder();
        ProcessOptions.Builder added = options.addedTo(owned);
        options.addOwner(added, request.getSpec().getOrphanPolicy());
        if (added.getOutput().getOverflowValue() == BY_DEFAULT
                && request.getSpec().getOutput().getOverflowValue() == BY_DEFAULT) {
            added.getOutputBuilder().setOverflow(OverflowPolicy.OVERFLOW_POLICY_BLOCK);
        }
        boolean hasOwner =
                added.getOrphanPolicy() == OrphanPolicy.ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT;
        return start(owned, true, hasOwner);
    }

    /**
     * Starts a process that lives on its own; see {@link #create(CreateProcessRequest,
     * StartOptions)}.
     *
     * @param args the program and its arguments
     * @return the process
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess create(String... args) throws InterruptedException {
        return create(argv(args).build());
    }

    /**
     * Starts a process that lives on its own; see {@link #create(CreateProcessRequest,
     * StartOptions)}.
     *
     * @param spec what to run
     * @return the process
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess create(ProcessSpec spec) throws InterruptedException {
        return create(CreateProcessRequest.newBuilder().setSpec(spec).build());
    }

    /**
     * Starts a process that lives on its own; see {@link #create(CreateProcessRequest,
     * StartOptions)}.
     *
     * @param spec what to run
     * @param options how it is kept
     * @return the process
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess create(ProcessSpec spec, StartOptions options)
            throws InterruptedException {
        return create(CreateProcessRequest.newBuilder().setSpec(spec).build(), options);
    }

    /**
     * Starts a process that lives on its own, with the usual options; see {@link
     * #create(CreateProcessRequest, StartOptions)}.
     *
     * @param request what to run
     * @return the process
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess create(CreateProcessRequest request) throws InterruptedException {
        return create(request, new StartOptions());
    }

    /**
     * Starts a process that lives on its own, with its output kept as in a log.
     *
     * <p>Of each output the daemon keeps the last MiB, unless the options say otherwise. Who reads
     * too late gets an {@link HcsdException.OutputEvicted}, or see {@link RemoteProcess#output}.
     *
     * @param request what to run; by default in the system {@code host}, and with a new {@code
     *     request_id}, so that a call whose connection is lost can be repeated and starts one
     *     process
     * @param options how it is kept; what they say is added to the {@code options} of the request
     * @return the process
     * @throws HcsdException.InvalidRequest a field is bad, also that there is no such working
     *     directory
     * @throws HcsdException.ExecutableNotFound there is no such program
     * @throws HcsdException.NotFound there is no such system
     * @throws HcsdException.AlreadyExists the {@code process_id} is taken
     * @throws HcsdException.RequestIdReused the {@code request_id} was used with another request
     * @throws HcsdException.DaemonRestarted the daemon lost its state while the call was under way,
     *     and nobody can tell whether the process was started before
     * @throws HcsdException.FailedPrecondition the system is not running
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess create(CreateProcessRequest request, StartOptions options)
            throws InterruptedException {
        return Task.await(createAsync(request, options));
    }

    /**
     * As {@link #create(CreateProcessRequest, StartOptions)}.
     *
     * @param request what to run
     * @param options how it is kept
     * @return the process
     */
    public CompletableFuture<RemoteProcess> createAsync(
            CreateProcessRequest request, StartOptions options) {
        CreateProcessRequest.Builder kept = request.toBuilder();
        options.addedTo(kept);
        return start(kept, false, false);
    }

    /**
     * Runs a command to its end; see {@link #exec(CreateProcessRequest, StartOptions)}.
     *
     * @param args the program and its arguments
     * @return how it ended, and what it wrote
     * @throws InterruptedException the thread was interrupted
     */
    public Completed exec(String... args) throws InterruptedException {
        return exec(argv(args).build(), new StartOptions());
    }

    /**
     * Runs a command to its end; see {@link #exec(CreateProcessRequest, StartOptions)}.
     *
     * @param spec what to run
     * @param options what it reads, where it runs, and how it is kept
     * @return how it ended, and what it wrote
     * @throws InterruptedException the thread was interrupted
     */
    public Completed exec(ProcessSpec spec, StartOptions options) throws InterruptedException {
        return exec(CreateProcessRequest.newBuilder().setSpec(spec).build(), options);
    }

    /**
     * Runs a command to its end. It reads {@link StartOptions#input} and then end of file. A code
     * other than 0 is no error: {@link Completed#check} makes it one.
     *
     * <pre>{@code
     * Completed completed = client.exec("git", "rev-parse", "HEAD").check();
     * }</pre>
     *
     * <p>A lost connection shows only as a pause, and the command is run once. If the thread is
     * interrupted, or this program ends, the daemon kills the process with what it has started,
     * {@link StartOptions#ownerGrace} later.
     *
     * @param request as of {@link #create(CreateProcessRequest, StartOptions)}, with the same
     *     errors
     * @param options what it reads, where it runs, and how it is kept
     * @return how it ended, and the last MiB that it wrote to each output
     * @throws HcsdException.ProcessTimeout its {@link StartOptions#runTimeout} was up, and it was
     *     killed with what it had started
     * @throws HcsdException.DaemonRestarted the daemon lost its state while the process ran
     * @throws HcsdException.NotFound the process was deleted meanwhile
     * @throws InterruptedException the thread was interrupted
     */
    public Completed exec(CreateProcessRequest request, StartOptions options)
            throws InterruptedException {
        return Task.await(execAsync(request, options));
    }

    /**
     * As {@link #exec(CreateProcessRequest, StartOptions)}; cancelling the future is as an
     * interrupt.
     *
     * @param request what to run
     * @param options what it reads, where it runs, and how it is kept
     * @return how it ended, and what it wrote
     */
    public CompletableFuture<Completed> execAsync(
            CreateProcessRequest request, StartOptions options) {
        CreateProcessRequest.Builder create = request.toBuilder();
        addDefaults(create);
        return Task.mapped(
                Creation.runToEnd(connection, options.addedToExec(create)),
                answer -> Completed.of(answer).inTime());
    }

    /**
     * Returns a process that was started before, by anyone.
     *
     * @param name its resource name
     * @return the process
     * @throws HcsdException.NotFound there is no such process
     * @throws InterruptedException the thread was interrupted
     */
    public RemoteProcess open(String name) throws InterruptedException {
        return Task.await(openAsync(name));
    }

    /**
     * As {@link #open}.
     *
     * @param name its resource name
     * @return the process
     */
    public CompletableFuture<RemoteProcess> openAsync(String name) {
        GetProcessRequest request = GetProcessRequest.newBuilder().setName(name).build();
        return Task.mapped(
                Attempts.contact(
                        connection,
                        "GetProcess of " + name,
                        () -> connection.ask(ProcessServiceGrpc.getGetProcessMethod(), request)),
                answer -> {
                    Process process = answer.getProcess();
                    connection.incarnation().set(process.getIncarnation());
                    return new RemoteProcess(connection, process, UNKNOWN, false, false);
                });
    }

    /**
     * Returns the processes of a system, or of all, in order of creation.
     *
     * @param parent name of a system, or {@link Names#ALL_SYSTEMS}
     * @return the processes of all pages
     * @throws HcsdException.NotFound there is no such system
     * @throws InterruptedException the thread was interrupted
     */
    public List<Process> listProcesses(String parent) throws InterruptedException {
        List<Process> processes = new ArrayList<>();
        ListProcessesRequest.Builder request = ListProcessesRequest.newBuilder().setParent(parent);
        ListProcessesResponse page;
        do {
            ListProcessesRequest asked = request.build();
            page =
                    Task.await(
                            Attempts.contact(
                                    connection,
                                    "ListProcesses",
                                    () ->
                                            connection.ask(
                                                    ProcessServiceGrpc.getListProcessesMethod(),
                                                    asked)));
            processes.addAll(page.getProcessesList());
            request.setPageToken(page.getNextPageToken());
        } while (!page.getNextPageToken().isEmpty());
        return processes;
    }

    /**
     * Watches what happens to compute systems and processes, without an end.
     *
     * <p>It goes on after a lost connection, within the bounds of {@link Retry}: no event is
     * missing, and none comes twice. Each message has the revision and the incarnation for a later
     * program to go on with.
     *
     * <p>With {@code send_snapshot} it also goes on where the daemon has lost its state, or events
     * are missing: by another snapshot. Whoever gets a part of a snapshot whose revision or
     * incarnation is another one than that of the part before forgets what it knew. A snapshot that
     * broke before it was complete comes anew, too.
     *
     * @param request what to watch, and from where on; iterating may throw {@link
     *     HcsdException.NotFound}, there is no such system, and without {@code send_snapshot} also
     *     {@link HcsdException.DaemonRestarted}, the daemon has lost the state of the revision,
     *     with all processes, {@link HcsdException.RevisionCompacted}, events after it are no
     *     longer kept, and {@link HcsdException.SubscriberStalled}, the caller has fallen too far
     *     behind
     * @return the messages, to be closed
     */
    public MessageStream<WatchEventsResponse> watchEvents(WatchEventsRequest request) {
        return new EventWatch(connection, request);
    }

    /**
     * Makes any call of the contract that has one answer, once.
     *
     * @param <Q> the request
     * @param <R> the answer
     * @param method the method, as in {@code HostServiceGrpc.getGetHostMethod()}
     * @param request the request
     * @return the answer
     * @throws InterruptedException the thread was interrupted
     */
    public <Q, R> R call(MethodDescriptor<Q, R> method, Q request) throws InterruptedException {
        return Task.await(callAsync(method, request));
    }

    /**
     * As {@link #call}.
     *
     * @param <Q> the request
     * @param <R> the answer
     * @param method the method
     * @param request the request
     * @return the answer
     */
    public <Q, R> CompletableFuture<R> callAsync(MethodDescriptor<Q, R> method, Q request) {
        return connection.ask(method, request);
    }

    /**
     * Makes any call of the contract that answers with many messages, once.
     *
     * @param <Q> the request
     * @param <R> the message
     * @param method the method, as in {@code ProcessServiceGrpc.getReadOutputMethod()}
     * @param request the request
     * @return the messages, to be closed
     */
    public <Q, R> MessageStream<R> stream(MethodDescriptor<Q, R> method, Q request) {
        return new CallStream<>(connection, method, request, Limit.NONE, null);
    }

    /**
     * Returns the channel for the generated stubs, as in {@code
     * ProcessServiceGrpc.newBlockingStub(client.channel())}. They throw the errors of gRPC.
     *
     * @return the channel; it ends with this client
     */
    public Channel channel() {
        return connection.channel();
    }

    /**
     * Closes the connection; idempotent. Calls under way end with {@link
     * HcsdException.ClientClosed}. Processes do not notice.
     */
    @Override
    public void close() {
        connection.close();
    }

    private CompletableFuture<RemoteProcess> start(
            CreateProcessRequest.Builder request, boolean killedWhenLeft, boolean owned) {
        long stdinOffset = request.getRequestId().isEmpty() ? 0 : UNKNOWN;
        addDefaults(request);
        return Task.mapped(
                Creation.start(connection, request.build()),
                process ->
                        new RemoteProcess(connection, process, stdinOffset, killedWhenLeft, owned));
    }

    private static void addDefaults(CreateProcessRequest.Builder request) {
        if (request.getRequestId().isEmpty()) {
            request.setRequestId(UUID.randomUUID().toString());
        }
        if (request.getParent().isEmpty()) {
            request.setParent(Names.HOST_SYSTEM);
        }
    }
}
