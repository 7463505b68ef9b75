// The artifact's bytes on their way in: a file without a name, so that nothing can be left behind and nobody else can
// change it, hashed while it is written. What is hashed is what is unpacked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/evp.h>

#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::fetch {

// All bytes of a scratch file, in memory for as long as this is there.
class Mapped {
 public:
  Mapped(void* at, std::size_t size) : at_(at), size_(size) {}
  Mapped(Mapped&& from) noexcept : at_(std::exchange(from.at_, nullptr)), size_(from.size_) {}
  Mapped& operator=(Mapped&&) = delete;
  ~Mapped();
  std::string_view text() const { return {static_cast<const char*>(at_), size_}; }

 private:
  void* at_;
  std::size_t size_;
};

class Scratch {
 public:
  // In the current folder. `limit`: bytes. `prehashed`: BLAKE2b-512 is wanted, too.
  static Result<Scratch> create(std::uint64_t limit, bool prehashed = false);
  // For what is small.
  static Result<Scratch> in_memory(std::uint64_t limit);

  // Errors: fetch when there is no room for so many bytes more. What is in memory has room.
  Result<> expect(std::uint64_t bytes) const;

  // Errors: fetch when there would be more bytes than the limit.
  Result<> append(std::string_view bytes);
  // Forgets all that was appended.
  Result<> restart();

  std::uint64_t size() const { return size_; }
  std::uint64_t limit() const { return limit_; }
  // Notes that there was more than the limit.
  std::unexpected<Error> too_large();
  bool was_too_large() const { return too_large_; }

  // Lower-case hex of all that was appended.
  std::string sha256() const;
  // 64 raw bytes of it.
  std::string blake2b() const;
  // The first bytes, up to `count`.
  Result<std::string> head(std::size_t count) const;
  // `count` bytes from `at` on, as far as they are there.
  Result<std::string> part(std::uint64_t at, std::size_t count) const;
  Result<Mapped> mapped() const;
  int fd() const { return file_.get(); }

 private:
  using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
  Scratch(os::Fd file, std::uint64_t limit, bool prehashed)
      : file_(std::move(file)), limit_(limit), prehashed_(prehashed) {}

  os::Fd file_;
  std::uint64_t size_ = 0, limit_ = 0;
  bool prehashed_ = false, too_large_ = false, on_disk_ = false;
  Digest digest_{EVP_MD_CTX_new(), EVP_MD_CTX_free}, prehash_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

// Writes all of `bytes` at `offset`. `name`: of the file, for the error.
Result<> write_at(int fd, std::string_view bytes, std::uint64_t offset, std::string_view name);

}  // namespace fleet::fetch
