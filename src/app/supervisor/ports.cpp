#include "app/supervisor/ports.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace minato::app {

Status check_port(const std::string& section, const ListenConfig& listen) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(listen.port);
  if (const int error = getaddrinfo(listen.listen.c_str(), port.c_str(), &hints, &found);
      error != 0) {
    return fail(
        Code::invalid,
        "[" + section + "] listen = \"" + listen.listen + "\" is no address of this machine.",
        gai_strerror(error));
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool free = bind(fd, found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd, 1) == 0;
  const int why = errno;
  freeaddrinfo(found);
  close(fd);
  if (free) return {};
  const std::string where = listen.listen + ":" + port;
  if (why == EADDRINUSE) {
    return fail(Code::unavailable, "Port " + port + " is in use: another program listens on " +
                                       where + ". Stop it (`ss -ltnp sport = :" + port +
                                       "` names it), or choose another port in minato.toml: [" +
                                       section + "] port = …");
  }
  return fail(Code::unavailable,
              "Cannot listen on " + where + ": see [" + section + "] in minato.toml.",
              strerror(why));
}

}  // namespace minato::app
