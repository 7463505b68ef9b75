// The bytes within a compressed file, block by block and to its very end, so that what vouches there for what came
// before is looked at: the trailer of gzip by zlib, those of the others by libarchive.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/result.hpp"
#include "format.hpp"
#include "scratch.hpp"

namespace fleet::fetch {

class Decompressed {
 public:
  // `format`: one of the compressed tars. Errors: verify.
  static Result<std::unique_ptr<Decompressed>> open(const Scratch& scratch, Format format);
  virtual ~Decompressed() = default;

  // Valid until the next call; empty at the end. Errors: verify, when it is cut off or damaged.
  virtual Result<std::string_view> next() = 0;
  virtual std::uint64_t consumed() const = 0;  // bytes of the file

 protected:
  Decompressed() = default;
};

}  // namespace fleet::fetch
