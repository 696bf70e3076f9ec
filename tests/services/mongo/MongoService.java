import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;

/** java -cp 'lib/*' MongoService.java HOST PORT FILE: serves until it is told to end. */
public class MongoService {
    public static void main(String[] args) {
        MongoServer server = new MongoServer(new H2Backend(args[2]));

        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind(args[0], Integer.parseInt(args[1]));
    }
}
