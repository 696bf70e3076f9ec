import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.channel.Channel;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.h2.mvstore.MVStore;

/** java -cp 'classes:lib/*' MongoService HOST PORT FILE: serves until SIGTERM. */
public class MongoService {
    /**
     * Commits the store's file before each answer, and only between commands. A document and its
     * index are two maps of the store: a file written in the middle of a command, and then a kill,
     * would leave one without the other.
     */
    static class DurableBackend extends H2Backend {
        /** Commands hold it shared; the commit of the file holds it alone. */
        private final ReentrantReadWriteLock gate = new ReentrantReadWriteLock(true);

        DurableBackend(MVStore store) {
            super(store);
        }

        private Document handle(Supplier<Document> command) {
            if (gate.getReadHoldCount() > 0) {
                return command.get(); // handleMessage calls handleCommand
            }
            Document answer;
            boolean unsaved;
            gate.readLock().lock();
            try {
                answer = command.get();
                unsaved = getMvStore().hasUnsavedChanges(); // a commit would change the answer
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
