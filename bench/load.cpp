// The benchmarks' load: changes at a MariaDB at a steady rate, and a probe that measures when they
// can be read at the gate. One cheap process, since it shares the cores with what it measures.
// Prints one JSON object.
//   load --socket S --tables N [--rate CHANGES_PER_SECOND] [--seconds T | --changes N] [--rows R]
//   [--gate CONNINFO]
#include <libpq-fe.h>
#include <mysql.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "load: %s\n", what.c_str());
  std::exit(1);
}

struct Options {
  std::map<std::string, std::string> given;
  Options(int argc, char** argv) {
    for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  }
  std::string text(const char* name, const char* fallback = "") const {
    const auto found = given.find(name);
    return found == given.end() ? fallback : found->second;
  }
  double number(const char* name, double fallback) const {
    const auto found = given.find(name);
    return found == given.end() ? fallback : std::atof(found->second.c_str());
  }
};

class Source {
 public:
  explicit Source(const Options& options) : handle_(mysql_init(nullptr)) {
    if (!mysql_real_connect(handle_, nullptr, "root", "", "bench", 0,
                            options.text("--socket").c_str(), CLIENT_MULTI_STATEMENTS)) {
      die(mysql_error(handle_));
    }
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() { mysql_close(handle_); }

  /// Several statements in one round trip.
  void run(const std::string& sql) {
    int status = mysql_real_query(handle_, sql.data(), sql.size());
    while (status == 0) {
      if (MYSQL_RES* result = mysql_store_result(handle_)) mysql_free_result(result);
      status = mysql_next_result(handle_);
    }
    if (status > 0) die(std::string(mysql_error(handle_)) + ": " + sql.substr(0, 200));
  }

 private:
  MYSQL* handle_;
};

/// One writer: transactions of ten changes (6 inserts, 3 updates, 1 delete) on the tables in turn.
/// Ids are its own (id % writers == number), and it knows which of them live, so that each change
/// hits exactly one row.
class Writer {
 public:
  Writer(const Options& options, int number, int writers)
      : source_(options),
        random_(static_cast<unsigned>(number + 1)),
        writers_(writers),
        tables_(static_cast<std::size_t>(options.number("--tables", 5))) {
    const auto rows = static_cast<std::int64_t>(options.number("--rows", 10000));
    const auto first_new =
        static_cast<std::int64_t>(options.number("--first-new", double(rows + 1)));
    for (Table& table : tables_) {
      for (std::int64_t id = number + 1; id <= rows; id += writers) table.live.push_back(id);
      table.next = (first_new / writers + 1) * writers + number + 1;
    }
  }

  static constexpr int inserts = 6, updates = 3, removes = 1;
  static constexpr int changes = inserts + updates + removes;

  void transaction() {
    const std::size_t which = turn_++ % tables_.size();
    Table& table = tables_[which];
    const std::string name = "t" + std::to_string(which);
    std::string sql = "BEGIN;UPDATE " + name + " SET a=a+1,c=c+0.25,b='changed' WHERE id IN (";
    for (int i = 0; i < updates; ++i) {  // distinct: the last ones are swapped to the end
      std::swap(table.live[pick(table.live.size() - std::size_t(i))],
                table.live[table.live.size() - 1 - std::size_t(i)]);
      sql += (i ? "," : "") + std::to_string(table.live[table.live.size() - 1 - std::size_t(i)]);
    }
    std::swap(table.live[pick(table.live.size())], table.live.back());
    sql += ");DELETE FROM " + name + " WHERE id=" + std::to_string(table.live.back());
    table.live.pop_back();
    sql += ";INSERT INTO " + name + " VALUES ";
    for (int i = 0; i < inserts; ++i) {
      const std::string id = std::to_string(table.next);
      sql += (i ? ",(" : "(") + id + "," + std::to_string(table.next % 1000) + ",'value number " +
             id + "'," + std::to_string(table.next % 100000) + ".25,NOW(3)," + id + ".5)";
      table.live.push_back(table.next);
      table.next += writers_;
    }
    source_.run(sql + ";COMMIT");
  }

 private:
  struct Table {
    std::vector<std::int64_t> live;
    std::int64_t next = 0;
  };
  std::size_t pick(std::size_t count) { return random_() % count; }

  Source source_;
  std::mt19937_64 random_;
  int writers_;
  std::size_t turn_ = 0;
  std::vector<Table> tables_;
};

/// Commits numbered rows and polls the gate for the highest one: the time between is the freshness.
class Probe {
 public:
  explicit Probe(const Options& options) : options_(options) {
    gate_ = PQconnectdb(options.text("--gate").c_str());
    if (PQstatus(gate_) != CONNECTION_OK) die(PQerrorMessage(gate_));
    writer_ = std::jthread([this](std::stop_token stop) { write(stop); });
    reader_ = std::jthread([this](std::stop_token stop) { read(stop); });
  }

  /// Sorted milliseconds. Waits until the last row was seen.
  std::vector<double> finish() {
    writer_.request_stop();
    writer_.join();
    const auto limit = Clock::now() + std::chrono::seconds(60);
    while (seen_ < committed_count() && Clock::now() < limit)
      std::this_thread::sleep_for(milliseconds(5));
    if (seen_ < committed_count()) die("the last probes were never seen at the gate");
    reader_.request_stop();
    reader_.join();
    PQfinish(gate_);
    std::sort(samples_.begin(), samples_.end());
    return samples_;
  }

 private:
  std::int64_t committed_count() {
    const std::lock_guard lock(mutex_);
    return static_cast<std::int64_t>(committed_.size());
  }

  void write(const std::stop_token& stop) {
    Source source(options_);
    for (std::int64_t id = 1; !stop.stop_requested(); ++id) {
      source.run("INSERT INTO probe VALUES (" + std::to_string(id) + ")");
      {
        const std::lock_guard lock(mutex_);
        committed_.push_back(Clock::now());
      }
      std::this_thread::sleep_for(milliseconds(25));
    }
  }

  void read(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      PGresult* result = PQexec(gate_, "SELECT max(id) FROM bench.probe");
      if (PQresultStatus(result) != PGRES_TUPLES_OK) die(PQerrorMessage(gate_));
      const std::int64_t highest = std::atoll(PQgetvalue(result, 0, 0));
      PQclear(result);
      const auto now = Clock::now();
      {
        const std::lock_guard lock(mutex_);
        for (; seen_ < std::min(highest, std::int64_t(committed_.size())); ++seen_) {
          const auto since = now - committed_[static_cast<std::size_t>(seen_)];
          samples_.push_back(std::chrono::duration<double, std::milli>(since).count());
        }
      }
      std::this_thread::sleep_for(milliseconds(10));
    }
  }

  const Options& options_;
  PGconn* gate_ = nullptr;
  std::mutex mutex_;
  std::vector<Clock::time_point> committed_;
  std::vector<double> samples_;
  std::atomic<std::int64_t> seen_ = 0;
  std::jthread writer_, reader_;
};

double percentile(const std::vector<double>& sorted, double p) {
  if (sorted.empty()) return -1;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(double(sorted.size()) * p))];
}

}  // namespace

int main(int argc, char** argv) {
  const Options options(argc, argv);
  const double rate = options.number("--rate", 0);  // 0: as fast as it goes
  const double seconds = options.number("--seconds", 1e9);
  const auto changes_max = static_cast<std::int64_t>(options.number("--changes", 1e15));
  const int writers = static_cast<int>(options.number("--writers", 1));
  mysql_library_init(0, nullptr, nullptr);

  std::vector<std::jthread> threads;
  std::atomic<std::int64_t> transactions = 0;
  std::unique_ptr<Probe> probe;
  if (!options.text("--gate").empty()) probe = std::make_unique<Probe>(options);
  const auto begin = Clock::now();
  for (int number = 0; number < writers; ++number) {
    threads.emplace_back([&, number] {
      Writer writer(options, number, writers);
      const std::chrono::duration<double> step(rate > 0 ? Writer::changes * writers / rate : 0);
      auto due = Clock::now();
      while (Clock::now() - begin < std::chrono::duration<double>(seconds) &&
             transactions.fetch_add(1) < changes_max / Writer::changes) {
        writer.transaction();
        due += std::chrono::duration_cast<Clock::duration>(step);
        if (rate > 0) std::this_thread::sleep_until(due);
      }
    });
  }
  threads.clear();
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  std::vector<double> ms;
  if (probe) ms = probe->finish();
  const auto done = std::min<std::int64_t>(transactions, changes_max / Writer::changes);
  std::printf(
      "{\"changes\": %lld, \"seconds\": %.3f, \"samples\": %zu, \"p50_ms\": %.1f, \"p95_ms\": "
      "%.1f, "
      "\"p99_ms\": %.1f, \"max_ms\": %.1f}\n",
      static_cast<long long>(done * Writer::changes), took, ms.size(), percentile(ms, 0.5),
      percentile(ms, 0.95), percentile(ms, 0.99), ms.empty() ? -1 : ms.back());
}
