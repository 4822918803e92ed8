package hcsd;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A proxy that ends calls by means of HTTP/2, as proxies do when they have waited enough. */
@Timeout(60)
class ResetTest {
    private static final int PREFACE_BYTES = 24;
    private static final int HEADERS = 1;
    private static final int RST_STREAM = 3;
    private static final int SETTINGS = 4;

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99})
    void itIsALostConnection(int errorCode) throws Exception {
        try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Task<Void> proxy = Task.inThread(() -> resetFirstCall(listener, errorCode));
            try (HcsdClient client = ScriptedDaemon.client(listener.getLocalPort(), 0)) {
                assertThrows(HcsdException.ConnectionLost.class, () -> client.open("systems/x"));
            }
            proxy.get();
        }
    }

    private static Void resetFirstCall(ServerSocket listener, int errorCode) throws IOException {
        try (Socket connection = listener.accept()) {
            DataInputStream in = new DataInputStream(connection.getInputStream());
            DataOutputStream out = new DataOutputStream(connection.getOutputStream());
            writeHead(out, 0, SETTINGS, 0);
            in.skipNBytes(PREFACE_BYTES);
            int type;
            int stream;
            do {
                int head = in.readInt(); // 24 bits of length, 8 of type
                type = head & 0xFF;
                in.readByte();
                stream = in.readInt();
                in.skipNBytes(head >>> 8);
            } while (type != HEADERS);
            writeHead(out, Integer.BYTES, RST_STREAM, stream);
            out.writeInt(errorCode);
            out.flush();
            in.transferTo(OutputStream.nullOutputStream()); // until the client goes
        }
        return null;
    }

    private static void writeHead(DataOutputStream out, int length, int type, int stream)
            throws IOException {
        out.writeInt(length << 8 | type);
        out.writeByte(0);
        out.writeInt(stream);
        out.flush();
    }
}
