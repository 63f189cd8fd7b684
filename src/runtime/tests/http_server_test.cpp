// Goal: a server that is stopped and followed by another on the same listener refuses and loses
// nothing. Method: clients ask all the time while servers come and go; every request must be
// answered, and was handled once.
#include "runtime/http_server.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/http_client.h"

namespace minato::runtime {
namespace {

int port_of(const HttpListener& listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

void change_servers(const HttpServerOptions& options) {
  const auto listener = HttpListener::open(options);
  ASSERT_TRUE(listener) << describe(listener.error());
  const std::string url = "http://127.0.0.1:" + std::to_string(port_of(*listener)) + "/";
  std::mutex mutex;
  std::map<std::string, int> handled;
  const HttpHandler handler = [&](const HttpCall& call) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // stops come in the middle
    const std::lock_guard lock(mutex);
    ++handled[call.body];
    return HttpAnswer{202, "text/plain", call.body, {}};
  };
  constexpr int clients = 4, requests = 200;
  std::atomic<int> working = clients;
  std::vector<std::jthread> asking;
  for (int client = 0; client < clients; ++client) {
    asking.emplace_back([&, client] {
      for (int i = 0; i < requests; ++i) {
        HttpRequest request;
        request.method = "POST";
        request.url = url + (i % 2 ? "urgent/x" : "x");
        request.body = std::to_string(client) + "/" + std::to_string(i);
        request.deadline = std::chrono::seconds(20);
        const auto answer = http(request);
        EXPECT_TRUE(answer) << describe(answer.error());
        EXPECT_EQ(answer ? answer->body : "", request.body);
      }
      --working;
    });
  }
  int servers = 0;
  for (; working > 0; ++servers) {
    std::stop_source stop;
    std::jthread server([&] { serve_http(*listener, options, handler, stop.get_token()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stop.request_stop();
  }
  asking.clear();
  EXPECT_GT(servers, 3);
  EXPECT_EQ(handled.size(), std::size_t{clients * requests});
  for (const auto& [body, times] : handled) EXPECT_EQ(times, 1) << body;
}

TEST(HttpServer, NoRequestIsRefusedOrLostBetweenServers) { change_servers({}); }

TEST(HttpServer, NoRequestIsRefusedOrLostBetweenServersWithUrgentThreads) {
  HttpServerOptions options;
  options.urgent = "/urgent/";
  change_servers(options);
}

TEST(HttpServer, AnIdleConnectionDoesNotHoldUpTheEnd) {
  const HttpServerOptions options;
  const auto listener = HttpListener::open(options);
  ASSERT_TRUE(listener);
  const int idle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ASSERT_EQ(getsockname(listener->fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(connect(idle, reinterpret_cast<sockaddr*>(&address), size), 0);
  std::stop_source stop;
  std::jthread server([&] {
    serve_http(
        *listener, options, [](const HttpCall&) { return HttpAnswer{}; }, stop.get_token());
  });
  const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  ASSERT_EQ(send(idle, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  char answer[1024];
  ASSERT_GT(recv(idle, answer, sizeof answer, 0), 0);  // and is kept for more
  const auto asked = std::chrono::steady_clock::now();
  stop.request_stop();
  server.join();
  EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds(5));
  close(idle);
}

}  // namespace
}  // namespace minato::runtime
