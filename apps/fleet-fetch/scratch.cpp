#include "scratch.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace fleet::fetch {
namespace {

// Some file systems (NFS, older FUSE) have no O_TMPFILE.
os::Fd nameless_file() {
  os::Fd file(::open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file || (errno != EOPNOTSUPP && errno != EISDIR)) return file;
  std::string name = ".fetch-XXXXXX";
  file.reset(::mkostemp(name.data(), O_CLOEXEC));
  if (file) ::unlink(name.c_str());
  return file;
}

}  // namespace

Result<Scratch> Scratch::create(std::uint64_t limit) {
  os::Fd file = nameless_file();
  if (!file) return fail_errno("cannot create a temporary file", errno);
  Scratch out(std::move(file), limit);
  TRYV(out.restart());
  return out;
}

Result<> Scratch::restart() {
  size_ = 0;
  if (::ftruncate(fd(), 0) != 0) return fail_errno("cannot truncate the temporary file", errno);
  if (EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr) != 1) return fail("cannot compute sha256");
  return {};
}

Result<> Scratch::append(std::string_view bytes) {
  if (bytes.size() > limit_ - size_) return too_large();
  TRYV(write_at(fd(), bytes, size_, "the temporary file"));
  if (EVP_DigestUpdate(digest_.get(), bytes.data(), bytes.size()) != 1) return fail("cannot compute sha256");
  size_ += bytes.size();
  return {};
}

std::unexpected<Error> Scratch::too_large() const {
  return fail(ErrorKind::fetch, "larger than the limit of " + std::to_string(limit_) + " bytes");
}

std::string Scratch::sha256() const {
  const Digest copy(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned size = 0;
  EVP_MD_CTX_copy_ex(copy.get(), digest_.get());
  EVP_DigestFinal_ex(copy.get(), sum.data(), &size);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += {"0123456789abcdef"[sum[i] >> 4], "0123456789abcdef"[sum[i] & 15]};
  }
  return out;
}

Result<std::string> Scratch::head(std::size_t count) const {
  std::string out(count, '\0');
  const ssize_t got = ::pread(fd(), out.data(), out.size(), 0);
  if (got < 0) return fail_errno("cannot read the temporary file", errno);
  out.resize(static_cast<std::size_t>(got));
  return out;
}

Result<> write_at(int fd, std::string_view bytes, std::uint64_t offset, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno("cannot write " + std::string(name), errno);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

}  // namespace fleet::fetch
