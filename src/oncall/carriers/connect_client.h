// Requests to Amazon Connect: signed, at most 2 a second per API, repeated where that is safe.
// Every API that is asked through this is idempotent (reads, stops, and what has a ClientToken or
// writes the same content), so a lost answer may be asked for again.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "oncall/carriers/connect.h"
#include "oncall/carriers/token_bucket.h"

namespace minato::oncall::connect {

enum class Api : std::uint8_t { start, stop, describe, attributes, list, create, update };

struct Ask {
  Api api = Api::describe;
  std::string_view method;
  std::string path;  // percent-encoded, with a query
  std::string body;  // JSON
  std::chrono::milliseconds within{8'000};
};

/// What Connect says when it refuses.
struct Refusal {
  std::string type;  // "InvalidParameterException"
  std::string message;
  std::vector<std::string> problems;  // of a contact flow
};
Refusal refusal(const runtime::HttpResponse& response);

class Client {
 public:
  Client(ConnectOptions options, Seams seams);

  /// An answer that is final: 2xx, or 4xx but 429. Errors: `unavailable`: no connection, still 429
  /// or 5xx after some tries; `in_doubt`: some answer was lost and no later one was final.
  Result<runtime::HttpResponse> ask(const Ask& ask);

  /// Refusals that are the same for every API, in words with the remedy.
  Error error_of(const runtime::HttpResponse& response, std::string_view what) const;

  const ConnectOptions& options() const { return options_; }
  const Seams& seams() const { return seams_; }
  std::string instance_path(std::string_view before, std::string_view after) const;

 private:
  bool adopt_clock(const runtime::HttpResponse& response);
  std::chrono::milliseconds pause(int tries) const;

  const ConnectOptions options_;
  const Seams seams_;
  std::string base_;
  std::array<TokenBucket, 7> buckets_;  // by Api; quotas are per API
  std::atomic<std::int64_t> clock_offset_s_ = 0;
};

}  // namespace minato::oncall::connect
