import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.CollectionOptions;
import de.bwaldvogel.mongo.backend.CursorRegistry;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.QueryResult;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.h2.H2Collection;
import de.bwaldvogel.mongo.backend.h2.H2Database;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.channel.Channel;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;

/**
 * java -cp 'classes:lib/*' MongoService HOST PORT FILE: serves until SIGTERM.
 *
 * With TB_MONGO_REPLICA_SET in the environment it is the primary of the set rs0, and a secondary
 * listens on a free port. The secondary is as far behind as one can be: all its collections are
 * empty.
 */
public class MongoService {
    /**
     * The server's own collections look into an index only if the filter has the index's fields and
     * no others; every guarded change, by _id and version, would read the whole collection.
     */
    static class IndexedCollection extends H2Collection {
        IndexedCollection(MongoDatabase database, String name, CollectionOptions options,
                          MVMap<Object, Document> data, MVMap<String, Object> meta,
                          CursorRegistry cursors) {
            super(database, name, options, data, meta, cursors);
        }

        @Override
        protected QueryResult queryDocuments(Document query, Document order, int skip, int limit,
                                             int batch, Document fields) {
            if (query.containsKey("_id") && query.size() > 1) {
                Document id = new Document("_id", query.get("_id"));
                for (Index<Object> index : getIndexes()) {
                    if (index.canHandle(id)) { // the found ones are compared with the whole filter
                        return matchDocuments(query, index.getPositions(id), order, skip, limit,
                                              batch, fields);
                    }
                }
            }
            return super.queryDocuments(query, order, skip, limit, batch, fields);
        }
    }

    /**
     * Commits the store's file before each answer, and only between commands. A document and its
     * index are two maps of the store: a file written in the middle of a command, and then a kill,
     * would leave one without the other.
     */
    static class DurableBackend extends H2Backend {
        /** Commands hold it shared; the commit of the file holds it alone. */
        private final ReentrantReadWriteLock gate = new ReentrantReadWriteLock(true);

        /** The members of the replica set, the primary first; empty: a server of its own. */
        private List<String> members = List.of();

        DurableBackend(MVStore store) {
            super(store);
        }

        private boolean isOfSecondary(Channel channel) {
            return members.size() > 1 && members.get(1).endsWith(
                ":" + ((InetSocketAddress) channel.localAddress()).getPort());
        }

        private Document asMember(Document answer, boolean secondary) {
            return answer.append("ismaster", !secondary).append("secondary", secondary)
                .append("setName", "rs0").append("setVersion", 1).append("hosts", members)
                .append("primary", members.get(0)).append("me", members.get(secondary ? 1 : 0));
        }

        private static Document ofSecondary(String database, String command, Document query) {
            if (command.equals("find") || command.equals("aggregate")) {
                return new Document("cursor", new Document("id", 0L)
                    .append("ns", database + "." + query.get(command))
                    .append("firstBatch", List.of())).append("ok", 1.0);
            }
            return new Document("ok", 0.0).append("code", 10107).append("errmsg", "not primary");
        }

        /** An inner class has its outer object before the server's constructor opens collections. */
        private class IndexedDatabase extends H2Database {
            IndexedDatabase(String name) {
                super(name, getMvStore(), getCursorRegistry());
            }

            /** The maps' names are the server's: it moves, drops and finds collections by them. */
            @Override
            protected MongoCollection<Object> openOrCreateCollection(String name,
                                                                     CollectionOptions options) {
                String full = getDatabaseName() + "." + name;
                return new IndexedCollection(
                    this, name, options, DurableBackend.this.getMvStore().openMap("databases." + full),
                    DurableBackend.this.getMvStore().openMap("meta." + full), cursorRegistry);
            }
        }

        @Override
        protected MongoDatabase openOrCreateDatabase(String name) {
            return new IndexedDatabase(name);
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
            if (!members.isEmpty() && command.equalsIgnoreCase("isMaster")) {
                return asMember(super.handleCommand(channel, database, command, query),
                                isOfSecondary(channel));
            }
            if (isOfSecondary(channel)) {
                return ofSecondary(database, command, query);
            }
            return handle(() -> super.handleCommand(channel, database, command, query));
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            return handle(() -> super.handleMessage(message));
        }
    }

    public static void main(String[] args) {
        MVStore store = new MVStore.Builder().fileName(args[2]).autoCommitDisabled().open();
        DurableBackend backend = new DurableBackend(store);
        MongoServer server = new MongoServer(backend);

        if (System.getenv("TB_MONGO_REPLICA_SET") != null) {
            MongoServer secondary = new MongoServer(backend);
            secondary.bind(args[0], 0);
            backend.members = List.of(args[0] + ":" + args[1],
                                      args[0] + ":" + secondary.getLocalAddress().getPort());
        }
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind(args[0], Integer.parseInt(args[1]));
    }
}
