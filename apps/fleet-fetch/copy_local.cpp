#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "acquire.hpp"
#include "os/fd.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kBlock = 1u << 20;

bool same_moment(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

bool is_unchanged(const struct stat& before, const struct stat& after, std::uint64_t read) {
  return static_cast<std::uint64_t>(after.st_size) == read && after.st_size == before.st_size &&
         same_moment(before.st_mtim, after.st_mtim) && same_moment(before.st_ctim, after.st_ctim);
}

std::string etag_of(const struct stat& file) {
  return std::to_string(file.st_ino) + "-" + std::to_string(file.st_size) + "-" + std::to_string(file.st_ctim.tv_sec) +
         "." + std::to_string(file.st_ctim.tv_nsec);
}

}  // namespace

Result<> copy_local(const Source& source, LocalFiles& files, Scratch& scratch, Progress& progress, Received& received) {
  TRY(const os::Fd file, files.open(source.path));
  struct stat before {
  }, after{};
  if (::fstat(file.get(), &before) != 0) return fail_errno("cannot read " + source.shown, errno);
  if (!S_ISREG(before.st_mode)) return fail(ErrorKind::fetch, "cannot read " + source.shown + ": not a regular file");
  const auto known = std::exchange(received.etag, etag_of(before));
  received.unchanged = known == received.etag;
  if (received.unchanged) return {};
  const auto size = static_cast<std::uint64_t>(before.st_size);
  if (size > scratch.limit()) return std::unexpected(scratch.too_large().error().in(source.shown));
  if (auto room = scratch.expect(size); !room) return std::unexpected(std::move(room).error().in(source.shown));
  progress.set_total(size);
  std::string block(kBlock, '\0');
  for (;;) {
    const ssize_t got = ::read(file.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("cannot read " + source.shown, errno);
    if (got == 0) break;
    TRYV(scratch.append({block.data(), static_cast<std::size_t>(got)}));
    TRYV(progress.reach(scratch.size()));
  }
  if (::fstat(file.get(), &after) != 0 || !is_unchanged(before, after, scratch.size())) {
    return fail(ErrorKind::fetch, source.shown + ": it changed while it was read (is it still being written?)");
  }
  return {};
}

}  // namespace fleet::fetch
