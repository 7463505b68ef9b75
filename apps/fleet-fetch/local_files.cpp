#include "local_files.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>

#include "os/unix_socket.hpp"
#include "text.hpp"

namespace fleet::fetch {
namespace {

namespace fs = std::filesystem;

bool is_beneath(const std::string& path, const std::string& root) {
  return root == "/" || (path.size() > root.size() && path.starts_with(root) && path[root.size()] == '/');
}

void wait_for(int socket, short events) {
  pollfd wanted{socket, events, 0};
  ::poll(&wanted, 1, -1);
}

// All of it, with a descriptor if there is one.
Result<> send_all(int socket, std::string_view bytes, const os::Fd& with) {
  const int fd = with.get();
  std::span<const int> fds(&fd, with ? 1 : 0);
  while (!bytes.empty()) {
    TRY(const auto sent, os::send_some(socket, bytes, fds));
    if (sent.bytes > 0) fds = {};
    bytes.remove_prefix(sent.bytes);
    if (sent.would_block) wait_for(socket, POLLOUT);
  }
  return {};
}

}  // namespace

OwnFiles::OwnFiles(const wire::FetchJob& job) : rooted_(job.rooted) {
  for (const auto& root : job.roots) {
    std::error_code error;
    roots_.push_back(root);
    if (auto real = fs::canonical(root, error); !error) roots_.push_back(real.string());
  }
}

bool OwnFiles::is_beneath_a_root(const std::string& path) const {
  return std::ranges::any_of(roots_, [&](const auto& root) { return is_beneath(path, root); });
}

Result<os::Fd> OwnFiles::open(const std::string& path) {
  const auto refused = [&] {
    return fail(ErrorKind::denied, printable(path) + ": refused, as it is not beneath a folder that local builds may come "
                                                     "from ([fleet] file_roots)");
  };
  // By its name first, so that nobody learns what there is elsewhere.
  if (rooted_ && !is_beneath_a_root(fs::path(path).lexically_normal().string())) return refused();
  // O_NONBLOCK: a fifo must not hold us up before it is refused.
  os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) {
    const bool is_absent = errno == ENOENT;
    auto error = fail_errno("cannot read " + printable(path), errno);
    if (is_absent) error.error().kind = ErrorKind::not_found;
    return error;
  }
  if (!rooted_) return file;
  std::error_code error;
  const auto real = fs::read_symlink("/proc/self/fd/" + std::to_string(file.get()), error);
  if (error || !is_beneath_a_root(real.string())) return refused();
  return file;
}

Result<> OwnFiles::answer(int socket) {
  const os::Fd nothing;
  std::string bytes;
  std::vector<os::Fd> none;
  TRY(const auto got, os::receive_some(socket, bytes, none));
  if (got.closed) return fail(ErrorKind::aborted, "nobody asks for files any more");
  asked_.append(bytes);
  for (;;) {
    TRY(const auto frame, asked_.next());
    if (!frame) return {};
    if (frame->type != wire::FetchFile::kType) return fail("not a question for a file");
    TRY(const auto question, wire::decode<wire::FetchFile>(frame->payload));
    auto file = open(question.path);
    wire::FetchFileAnswer answer;
    if (!file) answer.kind = file.error().kind, answer.error = file.error().text;
    TRYV(send_all(socket, wire::frame(answer), file ? *file : nothing));
  }
}

Result<os::Fd> AskedFiles::open(const std::string& path) {
  wire::FetchFile question;
  question.path = path;
  TRYV(send_all(socket_, wire::frame(question), os::Fd()));
  wire::FrameReader reader;
  std::vector<os::Fd> fds;
  for (;;) {
    TRY(const auto frame, reader.next());
    if (frame) {
      TRY(const auto answer, wire::decode<wire::FetchFileAnswer>(frame->payload));
      if (!answer.error.empty()) return fail(answer.kind, answer.error);
      if (fds.empty()) return fail("no file came with the answer");
      return std::move(fds.front());
    }
    wait_for(socket_, POLLIN);
    std::string bytes;
    TRY(const auto got, os::receive_some(socket_, bytes, fds));
    if (got.closed) return fail(ErrorKind::aborted, "nobody opens files any more");
    reader.append(bytes);
  }
}

}  // namespace fleet::fetch
