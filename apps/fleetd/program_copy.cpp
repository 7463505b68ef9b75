#include "program_copy.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>

#include "os/dirs.hpp"

namespace fleet {
namespace {

constexpr std::size_t kAtOnce = 1u << 20;  // bytes
constexpr const char* kUnfinished = "unfinished";

Result<bool> copy_some(int from, int to) {
  const auto copied = ::copy_file_range(from, nullptr, to, nullptr, kAtOnce, 0);
  if (copied < 0) return fail_errno("cannot copy a program", errno);
  return copied > 0;
}

// It begins with its file's size.
bool is_whole(const std::filesystem::path& path) {
  const auto name = path.filename().string();
  std::uintmax_t size = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), size);
  std::error_code none;
  return error == std::errc() && *end == '-' && std::filesystem::file_size(path, none) == size && !none;
}

}  // namespace

std::string identity_of(int fd) {
  struct stat file {};
  if (fd < 0 || ::fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) return "";
  return std::to_string(file.st_size) + "-" + std::to_string(file.st_mtim.tv_sec) + "." +
         std::to_string(file.st_mtim.tv_nsec) + "-" + std::to_string(file.st_ino);
}

void ProgramCopy::find() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    if (is_whole(entry.path())) identity_ = entry.path().filename().string();
  }
}

net::Task<Result<>> ProgramCopy::keep(net::asio::io_context& io, os::Fd program, std::string identity) {
  CO_TRYV(os::make_dir(folder_, 0700));
  const auto unfinished = folder_ + "/" + kUnfinished;
  const os::Fd file(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));
  if (!file) co_return fail_errno("cannot write " + unfinished, errno);
  for (;;) {
    CO_TRY(const bool more, copy_some(program.get(), file.get()));
    if (!more) break;
    net::Timer others(io, std::chrono::milliseconds(0));
    (void)co_await others.async_wait(net::use_result);
  }
  // A name must not be on disk before what it promises.
  if (::fdatasync(file.get()) != 0) co_return fail_errno("cannot write " + unfinished, errno);
  const auto former = path();
  if (::rename(unfinished.c_str(), (folder_ + "/" + identity).c_str()) != 0) {
    co_return fail_errno("cannot rename " + unfinished, errno);
  }
  if (!identity_.empty() && identity_ != identity) ::unlink(former.c_str());
  identity_ = std::move(identity);
  co_return Result<>();
}

}  // namespace fleet
