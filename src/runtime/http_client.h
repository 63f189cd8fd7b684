// HTTP requests, blocking, with a deadline: libcurl behind one function. For calling services and
// webhooks; the lake's object store is read by the engine itself.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace minato::runtime {

using Fields = std::vector<std::pair<std::string, std::string>>;  // name, value

/// Signs with AWS Signature Version 4 (aws_sign.h).
struct AwsSignature {
  std::string region;
  std::string service;  // the signing name: "connect", "polly", "s3"
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // of temporary credentials; empty otherwise
  /// How far the service's clock is ahead of ours: a wrong clock here must not stop a call.
  std::chrono::seconds clock_offset{0};
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // must hold no secret
  Fields headers;
  std::string body;
  std::string user;  // HTTP Basic, when not empty
  std::string password;
  std::optional<AwsSignature> aws;
  std::chrono::milliseconds deadline{10'000};
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // at most 4 MiB
};

/// One request; redirects are not followed. Any status is a response. Errors: `unavailable`: no
/// connection, so that nothing was sent; `in_doubt`: it broke off or the deadline passed after
/// something was sent, so that the server may have acted; `invalid`: not a URL of http or https.
/// Messages name host and port, never headers, user or body. Connections are kept for GET only: on
/// a kept one libcurl repeats by itself what got no answer, and a call must not be placed twice.
Result<HttpResponse> http(const HttpRequest& request);

/// "Sun, 06 Nov 1994 08:49:37 GMT" and the older forms of RFC 9110, also RFC 2822; else nullopt.
std::optional<std::chrono::sys_seconds> http_date(const std::string& text);

/// "%E6%B8%AF": everything but RFC 3986's unreserved characters.
std::string percent_encode(std::string_view text);
/// The reverse; "+" stays. Malformed escapes stay as they are.
std::string percent_decode(std::string_view text);
/// {{"a","1"}} → "a=1" for application/x-www-form-urlencoded bodies.
std::string form_encode(const Fields& fields);
/// The reverse, in the order of the body; "+" is a blank. Whatever it is given, it has an answer:
/// a name without "=" has the value "", empty pieces are dropped.
Fields form_decode(std::string_view body);

}  // namespace minato::runtime
