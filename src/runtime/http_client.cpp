#include "runtime/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <memory>

#include "runtime/aws_sign.h"

namespace minato::runtime {
namespace {

constexpr std::size_t kBodyMax = 4 << 20;
constexpr std::size_t kHeadersMax = 64 << 10;
constexpr std::chrono::milliseconds kConnectMax{5'000};

struct Freed {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(char* text) const { curl_free(text); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// What of a URL is needed to sign and to speak of it.
struct Target {
  std::string scheme;
  std::string host;  // with the port when it is not the scheme's
  std::string path;
  std::string query;
};

Result<Target> target_of(const std::string& url) {
  const auto refused = [] {
    return fail(Code::invalid,
                "This is not a URL that can be asked. Write http:// or https://, a host and a "
                "path, without a user and blanks.");
  };
  const std::unique_ptr<CURLU, Freed> parsed(curl_url());
  // A "\0" would end the text for libcurl, not for us.
  if (!parsed || url.find('\0') != std::string::npos ||
      curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(),
                   CURLU_PATH_AS_IS | CURLU_DISALLOW_USER) != CURLUE_OK) {
    return refused();
  }
  const auto part = [&](CURLUPart which, unsigned flags) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, flags) != CURLUE_OK) return std::string();
    const std::unique_ptr<char, Freed> owned(text);
    return std::string(text);
  };
  Target target{part(CURLUPART_SCHEME, 0), part(CURLUPART_HOST, 0), part(CURLUPART_PATH, 0),
                part(CURLUPART_QUERY, 0)};
  if (target.scheme != "http" && target.scheme != "https") return refused();
  if (target.host.empty()) return refused();
  const std::string port = part(CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  if (!port.empty()) target.host += ":" + port;
  return target;
}

/// A line end in a header would begin another header, or another request.
Status check(const HttpRequest& request) {
  const auto bad = [](std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
  };
  bool refused = request.method.empty() || bad(request.method);
  for (const auto& [name, value] : request.headers) {
    refused = refused || name.empty() || bad(name) || bad(value);
  }
  if (request.aws) refused = refused || bad(request.aws->access_key_id);
  if (request.aws) refused = refused || bad(request.aws->session_token);
  if (refused) {
    return fail(Code::invalid, "A header has a line end in it: look at what is configured for it.");
  }
  return {};
}

struct Received {
  HttpResponse response;
  std::size_t header_bytes = 0;
  bool too_large = false;
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& received = *static_cast<Received*>(user);
  if (received.response.body.size() + size > kBodyMax) {
    received.too_large = true;
    return 0;  // ends the transfer
  }
  received.response.body.append(data, size);
  return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& received = *static_cast<Received*>(user);
  received.header_bytes += size;
  if (received.header_bytes > kHeadersMax) {
    received.too_large = true;
    return 0;
  }
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  // The headers of "100 Continue" are not the answer's.
  if (line.starts_with("HTTP/")) received.response.headers.clear();
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  line.remove_prefix(colon + 1);
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  std::string& value = received.response.headers[name];
  if (!value.empty()) value += ", ";
  value += line;
  return size;
}

/// This thread's handle, as new; it keeps connections.
CURL* thread_handle() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) return nullptr;
  thread_local const std::unique_ptr<CURL, Freed> handle(curl_easy_init());
  if (handle) curl_easy_reset(handle.get());
  return handle.get();
}

using Headers = std::unique_ptr<curl_slist, Freed>;

Headers headers_of(const HttpRequest& request, const Target& target) {
  Headers list;
  const auto add = [&list](const std::string& line) {
    if (curl_slist* longer = curl_slist_append(list.get(), line.c_str())) {
      (void)list.release();
      list.reset(longer);
    }
  };
  // "Name;" sends a header without a value; "Name:" would drop it.
  const auto add_all = [&add](const Fields& fields) {
    for (const auto& [name, value] : fields) {
      add(value.empty() ? name + ";" : name + ": " + value);
    }
  };
  add_all(request.headers);
  if (request.aws) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    add_all(aws_headers(
        *request.aws,
        {request.method, target.host, target.path, target.query, request.headers, request.body},
        now));
  }
  add("Expect:");  // no waiting for "100 Continue"
  const bool typed = std::ranges::any_of(request.headers, [](const auto& field) {
    return curl_strequal(field.first.c_str(), "content-type") != 0;
  });
  if (!typed) add("Content-Type:");  // libcurl would call any body a form
  return list;
}

void set_up(CURL* handle, const HttpRequest& request, const Headers& headers, Received& received,
            char* error_text) {
  const auto set = [handle](CURLoption option, auto value) {
    curl_easy_setopt(handle, option, value);
  };
  const auto deadline = std::max(request.deadline, std::chrono::milliseconds(1));
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  // One request a connection at a time; HTTP/2 repeats refused requests by itself.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(deadline.count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(deadline, kConnectMax).count()));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_USERAGENT, "minato");
  set(CURLOPT_ERRORBUFFER, error_text);
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_WRITEFUNCTION, &take_body);
  set(CURLOPT_WRITEDATA, &received);
  set(CURLOPT_HEADERFUNCTION, &take_header);
  set(CURLOPT_HEADERDATA, &received);
  if (!request.user.empty()) {
    set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(CURLOPT_USERNAME, request.user.c_str());
    set(CURLOPT_PASSWORD, request.password.c_str());
  }
  if (request.method != "GET") {
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_FORBID_REUSE, 1L);
  }
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET" || !request.body.empty()) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.c_str());
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

}  // namespace

Result<HttpResponse> http(const HttpRequest& request) {
  TRY_ASSIGN(const Target target, target_of(request.url));
  TRY(check(request));
  CURL* handle = thread_handle();
  if (!handle) return fail(Code::exhausted, "No memory for a request.");
  const Headers headers = headers_of(request, target);
  Received received;
  std::array<char, CURL_ERROR_SIZE> error_text{};
  set_up(handle, request, headers, received, error_text.data());
  const CURLcode code = curl_easy_perform(handle);
  long status = 0;
  long sent = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &sent);
  // The handle outlives the request; what it points to does not.
  curl_easy_reset(handle);
  if (code == CURLE_OK) {
    received.response.status = static_cast<int>(status);
    return std::move(received.response);
  }
  const std::string why = std::string(curl_easy_strerror(code)) + ": " + error_text.data();
  if (sent == 0) {
    return fail(Code::unavailable,
                target.host + " cannot be reached. Is it running, and does the network let us?",
                why);
  }
  return fail(Code::in_doubt,
              received.too_large
                  ? "The answer of " + target.host + " is larger than 4 MiB."
                  : "The answer of " + target.host + " was lost: it may have done what was asked.",
              why);
}

std::optional<std::chrono::sys_seconds> http_date(const std::string& text) {
  const std::time_t seconds = curl_getdate(text.c_str(), nullptr);
  if (seconds == -1) return std::nullopt;
  return std::chrono::sys_seconds(std::chrono::seconds(seconds));
}

}  // namespace minato::runtime
