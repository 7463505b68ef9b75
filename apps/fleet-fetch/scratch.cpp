#include "scratch.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "space.hpp"

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

std::string final_bytes(const EVP_MD_CTX* of) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> copy(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned size = 0;
  EVP_MD_CTX_copy_ex(copy.get(), of);
  EVP_DigestFinal_ex(copy.get(), sum.data(), &size);
  return {sum.begin(), sum.begin() + size};
}

}  // namespace

Result<Scratch> Scratch::create(std::uint64_t limit, bool prehashed) {
  os::Fd file = nameless_file();
  if (!file) return fail_errno("cannot create a temporary file", errno);
  Scratch out(std::move(file), limit, prehashed);
  out.on_disk_ = true;
  TRYV(out.restart());
  return out;
}

Result<Scratch> Scratch::in_memory(std::uint64_t limit) {
  os::Fd file(::memfd_create("fleet-fetch", MFD_CLOEXEC));
  if (!file) return fail_errno("cannot create a file in memory", errno);
  Scratch out(std::move(file), limit, false);
  TRYV(out.restart());
  return out;
}

Result<> Scratch::restart() {
  size_ = 0;
  if (::ftruncate(fd(), 0) != 0) return fail_errno("cannot truncate the temporary file", errno);
  if (EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr) != 1) return fail("cannot compute sha256");
  if (prehashed_ && EVP_DigestInit_ex(prehash_.get(), EVP_blake2b512(), nullptr) != 1) {
    return fail("cannot compute BLAKE2b");
  }
  return {};
}

Result<> Scratch::expect(std::uint64_t bytes) const {
  return on_disk_ ? check_room(fd(), bytes, "the download") : Result<>();
}

Result<> Scratch::append(std::string_view bytes) {
  if (bytes.size() > limit_ - size_) return too_large();
  TRYV(write_at(fd(), bytes, size_, "the temporary file"));
  if (EVP_DigestUpdate(digest_.get(), bytes.data(), bytes.size()) != 1) return fail("cannot compute sha256");
  if (prehashed_ && EVP_DigestUpdate(prehash_.get(), bytes.data(), bytes.size()) != 1) {
    return fail("cannot compute BLAKE2b");
  }
  size_ += bytes.size();
  return {};
}

std::unexpected<Error> Scratch::too_large() {
  too_large_ = true;
  return fail(ErrorKind::fetch, "larger than the limit of " + std::to_string(limit_) + " bytes");
}

std::string Scratch::sha256() const {
  std::string out;
  for (const char c : final_bytes(digest_.get())) {
    const auto byte = static_cast<unsigned char>(c);
    out += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  }
  return out;
}

std::string Scratch::blake2b() const { return final_bytes(prehash_.get()); }

Result<std::string> Scratch::head(std::size_t count) const {
  return part(0, count);
}

Result<std::string> Scratch::part(std::uint64_t at, std::size_t count) const {
  std::string out(count, '\0');
  const ssize_t got = ::pread(fd(), out.data(), out.size(), static_cast<off_t>(at));
  if (got < 0) return fail_errno("cannot read the temporary file", errno);
  out.resize(static_cast<std::size_t>(got));
  return out;
}

Mapped::~Mapped() {
  if (at_) ::munmap(at_, size_);
}

Result<Mapped> Scratch::mapped() const {
  if (size_ == 0) return Mapped(nullptr, 0);
  void* at = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd(), 0);
  if (at == MAP_FAILED) return fail_errno("cannot map the temporary file", errno);
  return Mapped(at, size_);
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
