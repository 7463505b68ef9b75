// The artifact's bytes on their way in: a file without a name, so that nothing can be left behind and nobody else can
// change it, hashed while it is written. What is hashed is what is unpacked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/evp.h>

#include "core/result.hpp"
#include "os/fd.hpp"

namespace fleet::fetch {

class Scratch {
 public:
  // In the current folder. `limit`: bytes.
  static Result<Scratch> create(std::uint64_t limit);

  // Errors: fetch when there would be more bytes than the limit.
  Result<> append(std::string_view bytes);
  // Forgets all that was appended.
  Result<> restart();

  std::uint64_t size() const { return size_; }
  std::uint64_t limit() const { return limit_; }
  std::unexpected<Error> too_large() const;

  // Lower-case hex of all that was appended.
  std::string sha256() const;
  // The first bytes, up to `count`.
  Result<std::string> head(std::size_t count) const;
  int fd() const { return file_.get(); }

 private:
  using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
  explicit Scratch(os::Fd file, std::uint64_t limit) : file_(std::move(file)), limit_(limit) {}

  os::Fd file_;
  std::uint64_t size_ = 0, limit_ = 0;
  Digest digest_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

// Writes all of `bytes` at `offset`. `name`: of the file, for the error.
Result<> write_at(int fd, std::string_view bytes, std::uint64_t offset, std::string_view name);

}  // namespace fleet::fetch
