#include "lake/object_store.h"

#include <array>
#include <charconv>
#include <filesystem>
#include <random>

#include "base/check.h"
#include "model/names.h"

namespace minato::lake {
namespace {

struct Problem {
  int status;             // of HTTP; 0: any
  std::string_view text;  // found in the engine's message; empty: any
  std::string_view meaning;
};

// The first that fits counts.
constexpr std::array<Problem, 14> kProblems{{
    {0, "NoSuchBucket", "The lake's bucket does not exist: make it, or correct `data` in [lake]."},
    {0, "InvalidBucketName", "The lake's bucket has no valid name: correct `data` in [lake]."},
    {0, "UserNotFound", "The object store does not know the access key of [lake.s3]."},
    {0, "InvalidAccessKeyId", "The object store does not know the access key of [lake.s3]."},
    {0, "SignatureDoesNotMatch",
     "The object store refuses the keys of [lake.s3]: the secret key is not that of the access "
     "key."},
    {403, "",
     "The object store refuses the keys of [lake.s3]: check them, and that they may list, read, "
     "write and delete in the bucket."},
    {404, "",
     "The object store has not what the lake needs there: a file of the lake is gone, or its "
     "bucket. `minato doctor` tries the bucket."},
    {301, "", "The object store says that the bucket is elsewhere: check `region` in [lake.s3]."},
    {400, "", "The object store does not understand the request: check `region` in [lake.s3]."},
    {0, "Could not connect",
     "The object store cannot be reached: check `endpoint` in [lake.s3] and the network. It is "
     "tried again until it answers."},
    {0, "Could not resolve",
     "The object store's name is not known: check `endpoint` in [lake.s3] and the name service."},
    {0, "SSL",
     "The connection to the object store fails at TLS: check `use_ssl` and certificates."},
    {0, "imeout", "The object store does not answer in time. It is tried again until it does."},
    {0, "",
     "The object store does not answer as expected. It is tried again until it does; the log has "
     "its words."},
}};

/// "… (HTTP code 403)", "… (HTTP 403 Forbidden)": 403; 0 when there is none.
int http_status(std::string_view text) {
  for (const std::string_view mark : {"(HTTP code ", "(HTTP "}) {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos) continue;
    int status = 0;
    const char* digits = text.data() + at + mark.size();
    std::from_chars(digits, text.data() + text.size(), status);
    return status;
  }
  return 0;
}

Result<Engine> open_engine(const std::string& extension_dir) {
  EngineOptions options;
  options.extension_dir = extension_dir;
  options.extensions = {"httpfs"};
  options.memory_limit_mb = 128;
  options.threads = 1;
  return Engine::open(options);
}

std::string with_slash(std::string path) {
  if (!path.ends_with('/')) path += '/';
  return path;
}

Status step(const char* what, const Status& status) {
  if (status) return {};
  return fail(status.error().code, std::string(what) + ": " + status.error().message,
              status.error().detail);
}

}  // namespace

std::string s3_secret(const S3Options& s3, const std::string& scope) {
  std::string sql = "CREATE OR REPLACE SECRET minato_s3 (TYPE s3, PROVIDER config, SCOPE " +
                    quote_literal(scope) + ", KEY_ID " + quote_literal(s3.access_key) +
                    ", SECRET " + quote_literal(s3.secret_key);
  if (!s3.region.empty()) sql += ", REGION " + quote_literal(s3.region);
  if (!s3.endpoint.empty()) sql += ", ENDPOINT " + quote_literal(s3.endpoint);
  if (!s3.url_style.empty()) sql += ", URL_STYLE " + quote_literal(s3.url_style);
  return sql + ", USE_SSL " + (s3.use_ssl ? "true" : "false") + ")";
}

std::string_view object_store_problem(std::string_view engine_text) {
  if (engine_text.find("HTTP") == std::string_view::npos) return {};
  const int status = http_status(engine_text);
  for (const Problem& known : kProblems) {
    if (known.status != 0 && known.status != status) continue;
    if (engine_text.find(known.text) != std::string_view::npos) return known.meaning;
  }
  return {};
}

Status try_object_store(const LakeOptions& lake, const std::optional<S3Options>& reader,
                        const std::string& extension_dir) {
  CHECK(lake.s3.has_value());
  TRY_ASSIGN(const Engine engine, open_engine(extension_dir));
  TRY_ASSIGN(Session session, engine.connect());
  TRY(session.run(s3_secret(*lake.s3, lake.data_path)));
  // Of its own, so that two that look at once do not meet.
  const std::string place =
      with_slash(lake.data_path) + ".minato-doctor-" + std::to_string(std::random_device{}());
  // One directory as a partition: a statement that writes none of it removes what was there.
  const auto copy = [&](const char* rows) {
    return session.run("COPY (SELECT 1 AS p, 42 AS value WHERE " + std::string(rows) + ") TO " +
                       quote_literal(place) + " (FORMAT parquet, PARTITION_BY p, OVERWRITE)");
  };
  const auto read = [&]() -> Status {
    TRY_ASSIGN(const Rows rows, session.query("SELECT value FROM read_parquet(" +
                                              quote_literal(place + "/p=1/data_0.parquet") + ")"));
    if (rows.size() == 1 && rows.integer(0, 0) == 42) return {};
    return fail(Code::unavailable, "The object store gave back something else than was written.");
  };
  TRY(step("Writing", copy("true")));
  TRY(step("Reading", read()));
  if (reader) {
    TRY(session.run(s3_secret(*reader, lake.data_path)));
    TRY(step("Reading with the gate's keys", read()));
    TRY(session.run(s3_secret(*lake.s3, lake.data_path)));
  }
  TRY(step("Listing and removing", copy("false")));
  TRY_ASSIGN(const Rows left,
             session.query("SELECT count(*) FROM glob(" + quote_literal(place + "/**") + ")"));
  if (left.integer(0, 0) == 0) return {};
  return fail(Code::unavailable,
              "Removing: what was removed is still there. Is the bucket versioned or locked?");
}

Result<std::size_t> count_missing(const LakeOptions& lake, const std::vector<std::string>& paths,
                                  const std::string& extension_dir) {
  std::size_t missing = 0;
  if (!lake.s3) {
    std::error_code error;
    for (const std::string& path : paths) missing += std::filesystem::exists(path, error) ? 0 : 1;
    return missing;
  }
  TRY_ASSIGN(const Engine engine, open_engine(extension_dir));
  TRY_ASSIGN(Session session, engine.connect());
  TRY(session.run(s3_secret(*lake.s3, lake.data_path)));
  for (const std::string& path : paths) {
    // Without a star the engine takes it for granted that the object is there.
    TRY_ASSIGN(const Rows found,
               session.query("SELECT count(*) FROM glob(" + quote_literal(path + "*") + ")"));
    missing += found.integer(0, 0) == 0 ? 1 : 0;
  }
  return missing;
}

}  // namespace minato::lake
