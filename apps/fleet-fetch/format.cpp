#include "format.hpp"

#include <algorithm>
#include <cctype>
#include <string>

namespace fleet::fetch {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kTarBlock = 512;

// By the header's checksum (POSIX ustar interchange format), which v7, GNU and pax headers have too.
bool is_tar(std::string_view bytes) {
  if (bytes.size() < kTarBlock || bytes[0] == '\0') return false;
  unsigned long sum = 0, said = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(bytes[i]);
  }
  auto field = bytes.substr(148, 8);
  field.remove_prefix(std::min(field.find_first_not_of(' '), field.size()));
  for (const char c : field) {
    if (c < '0' || c > '7') break;
    said = said * 8 + static_cast<unsigned long>(c - '0');
  }
  return sum == said;
}

bool starts_with_word(std::string_view bytes, std::string_view word) {
  return bytes.size() >= word.size() && std::equal(word.begin(), word.end(), bytes.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

bool is_html(std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  bytes.remove_prefix(std::min(bytes.find_first_not_of(" \t\r\n"), bytes.size()));
  return starts_with_word(bytes, "<!doctype html") || starts_with_word(bytes, "<html") ||
         starts_with_word(bytes, "<head") || starts_with_word(bytes, "<body");
}

bool ends_with_word(std::string_view text, std::string_view word) {
  return text.size() > word.size() && starts_with_word(text.substr(text.size() - word.size()), word);
}

}  // namespace

Result<Format> detect_format(std::string_view bytes) {
  if (bytes.empty()) return fail(ErrorKind::verify, "the artifact is empty");
  if (bytes.starts_with("\x1f\x8b\x08"sv)) return Format::tar_gz;
  if (bytes.starts_with("\xfd"
                        "7zXZ\0"sv))
    return Format::tar_xz;
  if (bytes.starts_with("\x28\xb5\x2f\xfd"sv)) return Format::tar_zst;
  if (bytes.starts_with("BZh"sv)) return Format::tar_bz2;
  if (bytes.starts_with("PK\3\4"sv) || bytes.starts_with("PK\5\6"sv)) return Format::zip;
  if (bytes.starts_with("\x7f"
                        "ELF"sv) ||
      bytes.starts_with("#!"sv))
    return Format::executable;
  if (is_tar(bytes)) return Format::tar;
  if (is_html(bytes)) {
    return fail(ErrorKind::verify, "got an HTML page where an archive was expected (a login or error page?)");
  }
  return fail(ErrorKind::verify,
              "unknown format (expected tar, tar.gz, tar.xz, tar.zst, tar.bz2, zip, war, jar or an executable)");
}

Format zip_kind(std::string_view basename, bool has_java_manifest, bool has_web_inf) {
  if (ends_with_word(basename, ".war")) return Format::war;
  if (ends_with_word(basename, ".jar")) return Format::jar;
  if (!has_java_manifest) return Format::zip;
  return has_web_inf ? Format::war : Format::jar;
}

}  // namespace fleet::fetch
