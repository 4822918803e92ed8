package hcsd;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;

/** A process from its input to its exit, with all of its output. */
final class Conversation {
    private Conversation() {}

    /** Writes the input while both outputs are read; the first that fails ends the others. */
    static CompletableFuture<Completed> start(RemoteProcess process, byte[] input) {
        Task<byte[]> out = inThread(process.stdout()::readAllBytes);
        Task<byte[]> err = inThread(process.stderr()::readAllBytes);
        Task<Completed> all =
                inThread(
                        () -> {
                            feed(process.stdin(), input);
                            byte[] output = Task.await(out);
                            return new Completed(
                                    process.name(),
                                    process.waitFor(),
                                    output,
                                    Task.await(err),
                                    false);
                        });
        for (Task<byte[]> reader : List.of(out, err)) {
            reader.whenComplete((data, error) -> all.fail(error));
            all.whenComplete((result, error) -> reader.cancel(true));
        }
        return all;
    }

    private static void feed(RemoteInput stdin, byte[] input) throws IOException {
        try {
            stdin.write(input);
        } catch (HcsdIOException error) {
            if (error.failure() instanceof HcsdException.StdinClosed) {
                return; // it has read what it wanted
            }
            throw error;
        }
        stdin.close();
    }

    private static <T> Task<T> inThread(Callable<T> work) {
        return Task.inThread(
                () -> {
                    try {
                        return work.call();
                    } catch (HcsdIOException error) {
                        throw error.failure(); // no stream is what was asked for
                    }
                });
    }
}
