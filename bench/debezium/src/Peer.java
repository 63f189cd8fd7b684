// Debezium's embedded engine on the private MariaDB; its callback counts events and stores nothing.
// Peer DIR PORT USER PASSWORD EVENTS: ends after that many row events (0: as soon as it streams) and prints
// {"events", "seconds" from its first event to its last, "start_up_s" until that first event}.
import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import org.apache.kafka.connect.source.SourceRecord;

public class Peer {
  static long events = 0, first = 0, last = 0;

  public static void main(String[] a) throws Exception {
    final long wanted = Long.parseLong(a[4]), begin = System.nanoTime();
    final Properties p = new Properties();
    p.setProperty("name", "peer");
    p.setProperty("connector.class", "io.debezium.connector.mariadb.MariaDbConnector");
    p.setProperty("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore");
    p.setProperty("offset.storage.file.filename", a[0] + "/offsets.dat");
    p.setProperty("offset.flush.interval.ms", "100");
    p.setProperty("database.hostname", "127.0.0.1");
    p.setProperty("database.port", a[1]);
    p.setProperty("database.user", a[2]);
    p.setProperty("database.password", a[3]);
    p.setProperty("database.server.id", "4711");
    p.setProperty("database.ssl.mode", "disable");
    p.setProperty("database.include.list", "bench");
    p.setProperty("topic.prefix", "peer");
    p.setProperty("snapshot.mode", "no_data");
    p.setProperty("schema.history.internal", "io.debezium.storage.file.history.FileSchemaHistory");
    p.setProperty("schema.history.internal.file.filename", a[0] + "/history.dat");
    // As fast as its documentation says: larger queue and batches, no tombstones.
    p.setProperty("max.batch.size", "16384");
    p.setProperty("max.queue.size", "65536");
    p.setProperty("tombstones.on.delete", "false");
    final CountDownLatch done = new CountDownLatch(1);
    final DebeziumEngine<ChangeEvent<SourceRecord, SourceRecord>> engine =
        DebeziumEngine.create(Connect.class).using(p)
            .notifying((List<ChangeEvent<SourceRecord, SourceRecord>> records,
                        DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>> c) -> {
              for (ChangeEvent<SourceRecord, SourceRecord> r : records) {
                if (r.value().topic().startsWith("peer.bench.")) {
                  if (events++ == 0) first = System.nanoTime();
                  last = System.nanoTime();
                }
                c.markProcessed(r);
              }
              c.markBatchFinished();
              if (wanted == 0 || events >= wanted) done.countDown();
            }).build();
    final var executor = Executors.newSingleThreadExecutor();
    executor.execute(engine);
    done.await();
    if (wanted == 0) Thread.sleep(1000);
    engine.close();
    executor.shutdown();
    System.out.printf("{\"events\": %d, \"seconds\": %.3f, \"start_up_s\": %.3f}%n", events,
        (last - first) / 1e9, (first - begin) / 1e9);
    System.exit(0);
  }
}
