// Goal: a caller knows from the error whether the server may have acted, and AWS accepts what is
// signed. Method: a server of a few lines on loopback that misbehaves as told; signatures that
// botocore 1.44.5 made of the same requests; libcurl's own signature beside it.
#include "runtime/http_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "runtime/aws_sign.h"

namespace minato::runtime {
namespace {

using namespace std::chrono_literals;

/// Answers each request with what `script` makes of its text; "" closes the connection.
class Server {
 public:
  explicit Server(std::function<std::string(const std::string&)> script)
      : script_(std::move(script)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { accept_all(); });
  }
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  int connections() const { return connections_; }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void accept_all() {
    std::vector<std::jthread> threads;
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      ++connections_;
      threads.emplace_back([this, fd] { serve(fd); });
    }
  }
  static bool whole(const std::string& text) {
    const auto end = text.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const auto length = text.find("Content-Length: ");
    const std::size_t body = length == std::string::npos ? 0 : std::stoul(text.substr(length + 16));
    return text.size() >= end + 4 + body;
  }
  void serve(int fd) {
    timeval patience{0, 300'000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (;;) {
      std::string text;
      char buffer[65536];
      while (!whole(text)) {
        const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) {
          close(fd);
          return;
        }
        text.append(buffer, static_cast<std::size_t>(got));
      }
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(text);
      }
      const std::string answer = script_(text);
      if (answer.empty()) break;
      std::size_t sent = 0;
      while (sent < answer.size()) {
        const ssize_t now = send(fd, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (now <= 0) break;
        sent += static_cast<std::size_t>(now);
      }
    }
    close(fd);
  }

  std::function<std::string(const std::string&)> script_;
  int listener_;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::jthread thread_;
};

std::string ok(const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}

HttpRequest request_to(const std::string& url, const std::string& method = "GET",
                       const std::string& body = "") {
  HttpRequest request;
  request.method = method;
  request.url = url;
  request.body = body;
  request.deadline = 3s;
  return request;
}

TEST(HttpClient, SendsWhatItIsGivenAndReadsTheAnswer) {
  Server server([](const std::string&) { return ok("hello", "X-A: 1\r\nx-a: 2\r\n"); });
  HttpRequest request = request_to(server.url("/p/../q?x=%20"), "PUT", "{\"a\":1}");
  request.headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
  request.user = "me";
  request.password = "secret";
  const auto response = http(request);
  ASSERT_TRUE(response) << describe(response.error());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->headers.at("x-a"), "1, 2");
  const std::string sent = server.requests().at(0);
  EXPECT_TRUE(sent.starts_with("PUT /p/../q?x=%20 HTTP/1.1\r\n")) << sent;
  EXPECT_NE(sent.find("Authorization: Basic bWU6c2VjcmV0\r\n"), std::string::npos);
  EXPECT_NE(sent.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_EQ(sent.find("Expect"), std::string::npos);
  EXPECT_TRUE(sent.ends_with("\r\n\r\n{\"a\":1}"));
}

TEST(HttpClient, AnyStatusIsAResponseAndRedirectsAreNotFollowed) {
  Server server([](const std::string&) {
    return std::string("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n");
  });
  const auto response = http(request_to(server.url()));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(HttpClient, NothingSentIsUnavailable) {
  std::string url;
  {
    url = Server([](const std::string&) { return ok(""); }).url();
  }
  const auto refused = http(request_to(url, "POST", "secret-body"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_EQ(describe(refused.error()).find("secret-body"), std::string::npos);
  const auto unknown = http(request_to("http://no-such-host.invalid/"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::unavailable);
}

TEST(HttpClient, ALostAnswerIsInDoubtAndNeverAskedTwice) {
  Server server([](const std::string&) { return std::string(); });
  for (int i = 0; i < 2; ++i) {
    const auto lost = http(request_to(server.url(), "POST", "x"));
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, Code::in_doubt);
  }
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(HttpClient, APostIsNotRepeatedOnAKeptConnectionThatBreaks) {
  // The first answer keeps the connection; the second request on it is read and not answered:
  // libcurl would send it a second time on a new connection.
  std::atomic<int> count = 0;
  Server server([&](const std::string&) { return ++count == 1 ? ok("kept") : std::string(); });
  ASSERT_TRUE(http(request_to(server.url())));
  const auto lost = http(request_to(server.url(), "POST", "x"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Code::in_doubt);
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(HttpClient, GetsShareAConnection) {
  Server server([](const std::string&) { return ok("a"); });
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(http(request_to(server.url())));
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, TheDeadlineEndsARequestThatHangs) {
  std::promise<void> enough;
  Server server([hangs = enough.get_future().share()](const std::string&) {
    hangs.wait();
    return std::string();
  });
  HttpRequest request = request_to(server.url(), "POST", "x");
  request.deadline = 200ms;
  const auto late = http(request);  // comes back although the server does not
  enough.set_value();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::in_doubt);
}

TEST(HttpClient, AnAnswerThatIsTooLargeIsCutOff) {
  Server server([](const std::string&) { return ok(std::string((4 << 20) + 1, 'x')); });
  const auto large = http(request_to(server.url()));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Code::in_doubt);
  EXPECT_NE(large.error().message.find("4 MiB"), std::string::npos);
}

TEST(HttpClient, RefusesWhatIsNoUrlAndWhatBreaksHeaders) {
  for (const char* url : {"ftp://a/", "file:///etc/passwd", "a", "", "http://", "http://u:p@h/",
                          "http://a b/", "javascript:1"}) {
    const auto refused = http(request_to(url));
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(refused.error().code, Code::invalid) << url;
  }
  HttpRequest request = request_to("http://127.0.0.1:1/");
  request.headers = {{"X-A", "1\r\nX-B: 2"}};
  EXPECT_EQ(http(request).error().code, Code::invalid);
}

TEST(UrlText, EncodesAndDecodes) {
  EXPECT_EQ(percent_encode("港 a-._~/+&="), "%E6%B8%AF%20a-._~%2F%2B%26%3D");
  EXPECT_EQ(percent_decode("%E6%B8%AF%20+%"), "港 +%");
  EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
  EXPECT_EQ(form_encode({{"a", "1 2"}, {"b", ""}}), "a=1%202&b=");
  EXPECT_EQ(form_decode("a=1+2&&b&=x&c=%2B%26=d"),
            (Fields{{"a", "1 2"}, {"b", ""}, {"", "x"}, {"c", "+&=d"}}));
}

TEST(HttpDate, KnowsTheFormsInUse) {
  const std::chrono::sys_seconds expected{std::chrono::seconds(784111777)};
  EXPECT_EQ(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
  EXPECT_EQ(http_date("Sun, 06 Nov 1994 08:49:37 +0000"), expected);
  EXPECT_EQ(http_date("yesterday"), std::nullopt);
}

// 2026-01-02 03:04:05 UTC
constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1767323045)};

std::string signature_of(const Fields& added) {
  const std::string& line = added.back().second;
  return line.substr(line.rfind('=') + 1);
}

AwsSignature example(const std::string& service) {
  return {"ap-northeast-1", service, "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
}

TEST(AwsSign, IsBotocoresByteForByte) {
  const Fields json{{"Content-Type", "application/json"}};
  const auto put = aws_headers(example("connect"),
                               {"PUT", "connect.ap-northeast-1.amazonaws.com",
                                "/contact/outbound-voice", "", json, "{\"a\":\"基盤\"}"},
                               kNow);
  EXPECT_EQ(put[0], (std::pair<std::string, std::string>("X-Amz-Date", "20260102T030405Z")));
  EXPECT_TRUE(put.back().second.starts_with(
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/ap-northeast-1/connect/aws4_request, "
      "SignedHeaders=content-type;host;x-amz-date, Signature="));
  EXPECT_EQ(signature_of(put), "14f5068f30a9c5119259942f29c2a238ccc942d098965c28149fb166c70484e5");
  // A query out of order, with escapes and a name alone.
  EXPECT_EQ(
      signature_of(aws_headers(
          example("connect"),
          {"GET", "127.0.0.1:9000", "/contact-flows-summary/x",
           "nextToken=a%2F%3D%20b&maxResults=100&contactFlowTypes=CONTACT_FLOW&b", Fields{}, ""},
          kNow)),
      "1f981abec64efc5b460c5d06a89b0d85bd98b255b58c0c5919d0bea85132ae1b");
  // A path with escapes, a header with blanks, temporary credentials.
  AwsSignature temporary = example("connect");
  temporary.session_token = "tok/en=";
  EXPECT_EQ(signature_of(aws_headers(temporary,
                                     {"GET", "h.example", "/contacts/arn%3Aaws%3Aconnect/a%20b/",
                                      "", Fields{{"X-Two", "  a   b "}}, ""},
                                     kNow)),
            "c5668fee11e80113ded78be521414657a390ce96fd23c215b0771af8de43e167");
  EXPECT_EQ(
      signature_of(aws_headers(
          example("s3"), {"GET", "b.s3.amazonaws.com", "/a%20b//c", "x=1", Fields{}, ""}, kNow)),
      "d1ed96707bcaf216fb533bb92ba970bcb98a24d80c90b77b4254691323c11503");
}

TEST(AwsSign, AClockThatIsWrongIsPutRight) {
  AwsSignature signature = example("connect");
  signature.clock_offset = std::chrono::seconds(-3600);
  const Fields none;
  const auto added = aws_headers(signature, {"GET", "h", "/", "", none, ""}, kNow);
  EXPECT_EQ(added[0].second, "20260102T020405Z");
}

#if LIBCURL_VERSION_NUM == 0x075801  // 7.88.1, of Debian 12
/// What libcurl itself signs, at the time it does it, beside ours for the same time.
std::pair<std::string, std::string> both_signatures(const std::string& path,
                                                    const std::string& query) {
  std::string sent;
  Server server([&](const std::string& text) {
    sent = text;
    return ok("");
  });
  const std::string url = server.url(path + (query.empty() ? "" : "?" + query));
  CURL* handle = curl_easy_init();
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_AWS_SIGV4, "aws:amz:ap-northeast-1:connect");
  curl_easy_setopt(handle, CURLOPT_USERPWD, "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  curl_easy_perform(handle);
  curl_easy_cleanup(handle);
  const auto field = [&](const std::string& name) {
    const auto at = sent.find(name);
    return at == std::string::npos
               ? ""
               : sent.substr(at + name.size(), sent.find("\r\n", at) - at - name.size());
  };
  std::tm time{};
  strptime(field("X-Amz-Date: ").c_str(), "%Y%m%dT%H%M%SZ", &time);
  const std::chrono::sys_seconds now{std::chrono::seconds(timegm(&time))};
  const Fields none;
  const auto ours =
      aws_headers(example("connect"), {"GET", field("Host: "), path, query, none, ""}, now);
  const std::string theirs = field("Signature=");
  return {theirs, signature_of(ours)};
}

// Why there is a signature of our own. It says nothing of other versions of libcurl.
TEST(AwsSign, LibcurlIsWrongWhere) {
  const auto plain = both_signatures("/contacts/a", "");
  EXPECT_EQ(plain.first, plain.second);
  const auto path = both_signatures("/contacts/arn%3Aaws", "");
  EXPECT_NE(path.first, path.second);
  const auto query = both_signatures("/contacts/a", "nextToken=1&maxResults=100");
  EXPECT_NE(query.first, query.second);
}
#endif

}  // namespace
}  // namespace minato::runtime
