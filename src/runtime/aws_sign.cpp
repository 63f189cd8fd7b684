#include "runtime/aws_sign.h"

#include <fmt/chrono.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "base/text.h"

namespace minato::runtime {
namespace {

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

std::string sha256(std::string_view text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string hmac(std::string_view key, std::string_view text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(),
             reinterpret_cast<unsigned char*>(digest.data()), &size) != nullptr);
  CHECK(size == digest.size());
  return digest;
}

/// Runs of white space become one blank, none at the ends.
std::string trimmed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    if (!blank) out += c;
    if (blank && !out.empty() && out.back() != ' ') out += ' ';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

/// Encoded a second time, without "." and ".." and double slashes; S3 wants it as it is sent.
std::string canonical_path(std::string_view path, bool s3) {
  if (s3) return path.empty() ? "/" : std::string(path);
  std::vector<std::string_view> parts;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t end = rest.find('/');
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
  }
  std::string out;
  for (const std::string_view part : parts) out += "/" + percent_encode(part);
  if (out.empty() || path.ends_with('/')) out += '/';
  return out;
}

std::string canonical_query(std::string_view query) {
  Fields fields;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view piece = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (piece.empty()) continue;
    const std::size_t equals = piece.find('=');
    const auto again = [](std::string_view text) { return percent_encode(percent_decode(text)); };
    fields.emplace_back(again(piece.substr(0, equals)),
                        equals == std::string_view::npos ? "" : again(piece.substr(equals + 1)));
  }
  std::ranges::sort(fields);
  std::string out;
  for (const auto& [name, value] : fields) {
    out += (out.empty() ? "" : "&") + name + "=" + value;
  }
  return out;
}

}  // namespace

Fields aws_headers(const AwsSignature& signature, const AwsToSign& request,
                   std::chrono::sys_seconds now) {
  // What libcurl or something on the way adds or changes.
  static const std::set<std::string, std::less<>> kUnsigned{"authorization", "connection",
                                                            "expect",        "transfer-encoding",
                                                            "user-agent",    "x-amzn-trace-id"};
  const bool s3 = signature.service == "s3";
  const std::string time = fmt::format("{:%Y%m%dT%H%M%SZ}", now + signature.clock_offset);
  const std::string payload = hex(sha256(request.body));
  Fields added{{"X-Amz-Date", time}};
  if (!signature.session_token.empty()) {
    added.emplace_back("X-Amz-Security-Token", signature.session_token);
  }
  if (s3) added.emplace_back("X-Amz-Content-SHA256", payload);

  std::map<std::string, std::string> headers{{"host", std::string(request.host)}};
  for (const Fields* fields : {&request.headers, &std::as_const(added)}) {
    for (const auto& [name, value] : *fields) {
      const std::string key = lower(name);
      if (kUnsigned.contains(key)) continue;
      std::string& all = headers[key];
      all += (all.empty() ? "" : ",") + trimmed(value);
    }
  }
  std::string names;
  std::string lines;
  for (const auto& [name, value] : headers) {
    names += (names.empty() ? "" : ";") + name;
    lines += name + ":" + value + "\n";
  }
  const std::string canonical =
      std::string(request.method) + "\n" + canonical_path(request.path, s3) + "\n" +
      canonical_query(request.query) + "\n" + lines + "\n" + names + "\n" + payload;
  const std::string day = time.substr(0, 8);
  const std::string scope =
      day + "/" + signature.region + "/" + signature.service + "/aws4_request";
  const std::string text =
      "AWS4-HMAC-SHA256\n" + time + "\n" + scope + "\n" + hex(sha256(canonical));
  const std::string key =
      hmac(hmac(hmac(hmac("AWS4" + signature.secret_access_key, day), signature.region),
                signature.service),
           "aws4_request");
  added.emplace_back("Authorization", "AWS4-HMAC-SHA256 Credential=" + signature.access_key_id +
                                          "/" + scope + ", SignedHeaders=" + names +
                                          ", Signature=" + hex(hmac(key, text)));
  return added;
}

}  // namespace minato::runtime
