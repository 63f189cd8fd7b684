#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace minato {
namespace fs = std::filesystem;

std::string read_file(const fs::path& path, std::size_t bytes_max) {
  // In pieces: files of /proc have no size.
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char piece[16 * 1024];
  while (in && text.size() < bytes_max) {
    in.read(piece, static_cast<std::streamsize>(std::min(sizeof piece, bytes_max - text.size())));
    text.append(piece, static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  }
  return text;
}

Status write_file(const fs::path& path, std::string_view text, int mode) {
  const std::string beside = path.string() + ".new";
  const int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0)
    return fail(Code::unavailable, path.string() + " cannot be written.", strerror(errno));
  const bool good =
      write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  struct stat before {};
  if (stat(path.c_str(), &before) == 0) [[maybe_unused]]
    const int kept = fchmod(fd, before.st_mode & 07777);
  close(fd);
  if (!good || rename(beside.c_str(), path.c_str()) != 0) {
    const std::string why = strerror(errno);
    unlink(beside.c_str());
    return fail(Code::unavailable, path.string() + " cannot be written.", why);
  }
  return {};
}

}  // namespace minato
