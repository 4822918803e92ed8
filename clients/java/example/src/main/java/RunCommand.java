import hcsd.HcsdClient;
import hcsd.HcsdException;
import hcsd.RemoteProcess;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;

public class RunCommand {
    public static void main(String[] command) throws Exception {
        int code;
        try (HcsdClient client = HcsdClient.connect();
                RemoteProcess process = client.run(command)) {
            Future<Long> errors =
                    ForkJoinPool.commonPool().submit(() -> process.stderr().transferTo(System.err));
            process.stdout().transferTo(System.out);
            errors.get();
            code = process.waitFor().getExitCode();
        } catch (HcsdException.ExecutableNotFound error) {
            System.err.println(error.getMessage());
            code = 127;
        }
        System.exit(code);
    }
}
