import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.channel.Channel;
import org.h2.mvstore.MVStore;

/** java -cp 'lib/*' MongoService.java HOST PORT FILE: serves until it is told to end. */
public class MongoService {
    /** What is answered is in the file: by itself the store writes about once a second. */
    static class DurableBackend extends H2Backend {
        DurableBackend(MVStore store) {
            super(store);
        }

        @Override
        public Document handleCommand(Channel channel, String database, String command,
                                      Document query) {
            Document answer = super.handleCommand(channel, database, command, query);

            getMvStore().commit();
            return answer;
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            Document answer = super.handleMessage(message);

            getMvStore().commit();
            return answer;
        }
    }

    public static void main(String[] args) {
        MongoServer server = new MongoServer(new DurableBackend(MVStore.open(args[2])));

        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind(args[0], Integer.parseInt(args[1]));
    }
}
