#include "archives.hpp"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace fleet::test {
namespace {

using Writer = std::unique_ptr<archive, decltype(&archive_write_free)>;
using ArchiveEntry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

void check(int code, archive* writer) {
  if (code < ARCHIVE_WARN) throw std::runtime_error(archive_error_string(writer));
}

void set_format(archive* writer, const std::string& extension) {
  extension == ".zip" ? archive_write_set_format_zip(writer) : archive_write_set_format_pax_restricted(writer);
  if (extension == ".tar.gz") archive_write_add_filter_gzip(writer);
  if (extension == ".tar.xz") archive_write_add_filter_xz(writer);
  if (extension == ".tar.zst") archive_write_add_filter_zstd(writer);
  if (extension == ".tar.bz2") archive_write_add_filter_bzip2(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
}

void write_item(archive* writer, const Item& item) {
  const ArchiveEntry entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(entry.get(), item.name.c_str());
  archive_entry_set_filetype(entry.get(), item.type);
  archive_entry_set_perm(entry.get(), static_cast<__LA_MODE_T>(item.mode));
  archive_entry_set_mtime(entry.get(), 1'700'000'000, 0);
  if (!item.link.empty()) archive_entry_set_symlink(entry.get(), item.link.c_str());
  const auto length = static_cast<la_int64_t>(item.content.size());
  if (item.hardlink.empty()) {
    archive_entry_set_size(entry.get(), item.hole_to ? item.hole_to : length);
    if (item.hole_to) archive_entry_sparse_add_entry(entry.get(), 0, length);
  } else {
    archive_entry_set_hardlink(entry.get(), item.hardlink.c_str());
  }
  if (item.type == AE_IFBLK || item.type == AE_IFCHR) archive_entry_set_rdev(entry.get(), 0x0103);
  check(archive_write_header(writer, entry.get()), writer);
  if (item.content.empty()) return;
  check(static_cast<int>(archive_write_data(writer, item.content.data(), item.content.size())), writer);
  const std::string zeros(1u << 16, '\0');
  for (auto at = length; at < item.hole_to; at += static_cast<la_int64_t>(zeros.size())) {
    archive_write_data(writer, zeros.data(), zeros.size());
  }
}

}  // namespace

std::string make_archive(const std::string& extension, const std::vector<Item>& items) {
  std::string out;
  const Writer writer(archive_write_new(), archive_write_free);
  set_format(writer.get(), extension);
  const auto append = [](archive*, void* to, const void* data, std::size_t size) -> la_ssize_t {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  };
  check(archive_write_open(writer.get(), &out, nullptr, append, nullptr), writer.get());
  for (const auto& item : items) write_item(writer.get(), item);
  check(archive_write_close(writer.get()), writer.get());
  return out;
}

std::string sha256_of(const std::string& bytes) {
  std::array<unsigned char, 32> sum{};
  EVP_Digest(bytes.data(), bytes.size(), sum.data(), nullptr, EVP_sha256(), nullptr);
  std::string out;
  for (const auto byte : sum) out += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  return out;
}

}  // namespace fleet::test
