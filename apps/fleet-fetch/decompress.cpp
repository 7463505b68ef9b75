#include "decompress.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <string>

#include "text.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kBlock = 256u << 10;

class Gzip : public Decompressed {
 public:
  explicit Gzip(const Scratch& scratch) : scratch_(scratch) { started_ = inflateInit2(&zlib_, 16 + MAX_WBITS) == Z_OK; }
  Gzip(const Gzip&) = delete;
  ~Gzip() override {
    if (started_) inflateEnd(&zlib_);
  }

  Result<std::string_view> next() override {
    if (!started_) return fail("cannot start zlib");
    zlib_.next_out = reinterpret_cast<Bytef*>(out_.data());
    zlib_.avail_out = static_cast<uInt>(out_.size());
    while (zlib_.avail_out == out_.size() && !over_) {
      if (zlib_.avail_in == 0) TRYV(read());
      if (zlib_.avail_in == 0) return fail(ErrorKind::verify, "the gzip file is cut off");
      const int code = inflate(&zlib_, Z_NO_FLUSH);
      if (code != Z_OK && code != Z_BUF_ERROR && code != Z_STREAM_END) return damaged();
      if (code == Z_STREAM_END) TRYV(end_member());
    }
    return std::string_view(out_.data(), out_.size() - zlib_.avail_out);
  }

  std::uint64_t consumed() const override { return read_ - zlib_.avail_in; }

 private:
  std::unexpected<Error> damaged() const {
    return fail(ErrorKind::verify, "the gzip file is damaged: " + std::string(zlib_.msg ? zlib_.msg : "unreadable"));
  }

  Result<> read() {
    in_.resize(kBlock);
    const ssize_t got = ::pread(scratch_.fd(), in_.data(), in_.size(), static_cast<off_t>(read_));
    if (got < 0) return fail_errno("cannot read the temporary file", errno);
    read_ += static_cast<std::uint64_t>(got);
    zlib_.next_in = reinterpret_cast<Bytef*>(in_.data());
    zlib_.avail_in = static_cast<uInt>(got);
    return {};
  }

  // Another member may follow (RFC 1952 §2.2); what is no member is padding, as gzip(1) has it.
  Result<> end_member() {
    if (zlib_.avail_in == 0) TRYV(read());
    over_ = zlib_.avail_in == 0 || *zlib_.next_in != 0x1f;
    if (!over_ && inflateReset(&zlib_) != Z_OK) return damaged();
    return {};
  }

  const Scratch& scratch_;
  z_stream zlib_{};
  bool started_ = false, over_ = false;
  std::uint64_t read_ = 0;
  std::string in_, out_ = std::string(kBlock, '\0');
};

// libarchive's filters, with what is within taken as it is.
class Filtered : public Decompressed {
 public:
  explicit Filtered(const Scratch& scratch) : scratch_(scratch) {}

  Result<> begin(Format format) {
    if (!from_) return fail("cannot start libarchive");
    if (format == Format::tar_xz) archive_read_support_filter_xz(from_.get());
    if (format == Format::tar_zst) archive_read_support_filter_zstd(from_.get());
    if (format == Format::tar_bz2) archive_read_support_filter_bzip2(from_.get());
    archive_read_support_format_raw(from_.get());
    if (::lseek(scratch_.fd(), 0, SEEK_SET) != 0) return fail_errno("cannot rewind the temporary file", errno);
    archive_entry* entry = nullptr;
    if (archive_read_open_fd(from_.get(), scratch_.fd(), kBlock) != ARCHIVE_OK) return unreadable();
    // The compression and what reads the file; libarchive would peel off any number.
    if (archive_filter_count(from_.get()) > 2) return fail(ErrorKind::verify, "it is compressed more than once");
    if (archive_read_next_header(from_.get(), &entry) != ARCHIVE_OK) return unreadable();
    return {};
  }

  Result<std::string_view> next() override {
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t at = 0;
    for (;;) {
      const int code = archive_read_data_block(from_.get(), &data, &size, &at);
      if (code == ARCHIVE_EOF) return std::string_view();
      if (code != ARCHIVE_OK) return unreadable();
      if (size > 0) return std::string_view(static_cast<const char*>(data), size);
    }
  }

  std::uint64_t consumed() const override {
    return static_cast<std::uint64_t>(std::max<la_int64_t>(archive_filter_bytes(from_.get(), -1), 0));
  }

 private:
  std::unexpected<Error> unreadable() const {
    std::string why = archive_error_string(from_.get()) ? printable(archive_error_string(from_.get())) : "it is damaged";
    why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
    return fail(ErrorKind::verify, why);
  }

  const Scratch& scratch_;
  std::unique_ptr<archive, decltype(&archive_read_free)> from_{archive_read_new(), archive_read_free};
};

}  // namespace

Result<std::unique_ptr<Decompressed>> Decompressed::open(const Scratch& scratch, Format format) {
  if (format == Format::tar_gz) return std::make_unique<Gzip>(scratch);
  auto filtered = std::make_unique<Filtered>(scratch);
  TRYV(filtered->begin(format));
  return filtered;
}

}  // namespace fleet::fetch
