import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.channel.Channel;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.h2.mvstore.MVStore;

/** java -cp 'classes:lib/*' MongoService HOST PORT FILE: serves until it is told to end. */
public class MongoService {
    /**
     * What is answered is in the file, and nothing that is half done: a document and its index are
     * two maps of the store, and a kill may come at any time. So the store writes when it is told
     * to, which is between commands.
     */
    static class DurableBackend extends H2Backend {
        /** Shared by commands, alone for who writes the file. */
        private final ReentrantReadWriteLock gate = new ReentrantReadWriteLock(true);

        DurableBackend(MVStore store) {
            super(store);
        }

        private Document handle(Supplier<Document> command) {
            if (gate.getReadHoldCount() > 0) {
                return command.get(); // one handler calls the other
            }
            Document answer;
            boolean unsaved;
            gate.readLock().lock();
            try {
                answer = command.get();
                unsaved = getMvStore().hasUnsavedChanges(); // while nobody is about to save them
            } finally {
                gate.readLock().unlock();
            }
            if (unsaved) {
                gate.writeLock().lock();
                try {
                    getMvStore().commit();
                } finally {
                    gate.writeLock().unlock();
                }
            }
            return answer;
        }

        @Override
        public Document handleCommand(Channel channel, String database, String command,
                                      Document query) {
            return handle(() -> super.handleCommand(channel, database, command, query));
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            return handle(() -> super.handleMessage(message));
        }
    }

    public static void main(String[] args) {
        MVStore store = new MVStore.Builder().fileName(args[2]).autoCommitDisabled().open();
        MongoServer server = new MongoServer(new DurableBackend(store));

        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind(args[0], Integer.parseInt(args[1]));
    }
}
