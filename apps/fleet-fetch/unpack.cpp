#include "unpack.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>

#include "policy.hpp"
#include "text.hpp"
#include "tree.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kBlock = 256u << 10;

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

std::unexpected<Error> unreadable(Format format, archive* from) {
  std::string why = archive_error_string(from) ? printable(archive_error_string(from)) : "it is damaged";
  why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
  return fail(ErrorKind::verify, "cannot unpack as " + std::string(name(format)) + ": " + why);
}

// Only the reader for this format, so that no other of libarchive's parsers ever sees the bytes.
Result<Archive> open_archive(const Scratch& scratch, Format format) {
  Archive out(archive_read_new(), archive_read_free);
  if (!out) return fail("cannot start libarchive");
  switch (format) {
    case Format::tar: break;
    case Format::tar_gz: archive_read_support_filter_gzip(out.get()); break;
    case Format::tar_xz: archive_read_support_filter_xz(out.get()); break;
    case Format::tar_zst: archive_read_support_filter_zstd(out.get()); break;
    case Format::tar_bz2: archive_read_support_filter_bzip2(out.get()); break;
    case Format::zip:
    case Format::war:
    case Format::jar: archive_read_support_format_zip_seekable(out.get()); break;
    case Format::executable: return fail("an executable is no archive");
  }
  if (format < Format::zip) archive_read_support_format_tar(out.get());
  if (::lseek(scratch.fd(), 0, SEEK_SET) != 0) return fail_errno("cannot rewind the temporary file", errno);
  if (archive_read_open_fd(out.get(), scratch.fd(), kBlock) != ARCHIVE_OK) return unreadable(format, out.get());
  // The compression and what reads the file; libarchive would peel off any number.
  if (archive_filter_count(out.get()) > 2) {
    return fail(ErrorKind::verify, "cannot unpack as " + std::string(name(format)) + ": it is compressed more than once");
  }
  return out;
}

// The next entry, null at the end.
Result<archive_entry*> next_entry(Format format, archive* from) {
  archive_entry* entry = nullptr;
  const int code = archive_read_next_header(from, &entry);
  if (code == ARCHIVE_EOF) return nullptr;
  // A warning is about metadata that is not used, or about a name, which is looked at by the policy.
  if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return unreadable(format, from);
  return entry;
}

std::string text_or_empty(const char* text) { return text ? text : ""; }

Entry as_entry(archive_entry* from) {
  Entry out;
  out.name = text_or_empty(archive_entry_pathname(from));
  out.mode = archive_entry_perm(from);
  if (archive_entry_hardlink(from)) {
    out.kind = EntryKind::hardlink;
    out.link = archive_entry_hardlink(from);
    return out;
  }
  switch (archive_entry_filetype(from)) {
    case AE_IFREG: out.kind = EntryKind::file; break;
    case AE_IFDIR: out.kind = EntryKind::folder; break;
    case AE_IFLNK: out.kind = EntryKind::symlink; break;
    default: out.kind = EntryKind::special;
  }
  out.link = text_or_empty(archive_entry_symlink(from));
  return out;
}

class Unpacking {
 public:
  Unpacking(const Scratch& scratch, Format format, const Limits& limits, int root, Progress& progress)
      : scratch_(scratch), format_(format), policy_(limits, scratch.size()), tree_(root), progress_(progress) {}

  Result<Unpacked> archive_entries() {
    TRY(const Archive from, open_archive(scratch_, format_));
    for (;;) {
      TRY(archive_entry* const entry, next_entry(format_, from.get()));
      if (!entry) break;
      TRYV(write_entry(from.get(), entry));
    }
    if (policy_.entries() == 0) return fail(ErrorKind::verify, "the archive has no files in it");
    return finished();
  }

  Result<Unpacked> whole_file(const std::string& basename) {
    TRY(const Admitted admitted, policy_.admit({basename, EntryKind::file, "", 0755}));
    TRY(const os::Fd file, tree_.create_file(admitted.path));
    for (std::uint64_t at = 0; at < scratch_.size();) {
      block_.resize(kBlock);
      const ssize_t got = ::pread(scratch_.fd(), block_.data(), block_.size(), static_cast<off_t>(at));
      if (got <= 0) return fail_errno("cannot read the temporary file", errno);
      block_.resize(static_cast<std::size_t>(got));
      TRYV(policy_.grow(basename, block_.size()));
      TRYV(write_at(file.get(), block_, at, printable(basename)));
      at += block_.size();
      TRYV(progress_.reach(at));
    }
    TRYV(Tree::seal(file, format_ == Format::executable, 0));
    return finished();
  }

 private:
  Result<Unpacked> finished() {
    TRYV(tree_.seal_folders());
    return Unpacked{format_, policy_.bytes(), policy_.entries()};
  }

  Result<> write_entry(archive* from, archive_entry* raw) {
    const Entry entry = as_entry(raw);
    TRY(const Admitted admitted, policy_.admit(entry));
    for (const auto& folder : admitted.new_folders) TRYV(tree_.make_folder(folder));
    switch (entry.kind) {
      case EntryKind::file: return write_file(from, raw, admitted);
      case EntryKind::folder:
        if (!admitted.path.empty() && !admitted.is_known_folder) TRYV(tree_.make_folder(admitted.path));
        break;
      case EntryKind::symlink: TRYV(tree_.make_symlink(admitted.path, admitted.link)); break;
      case EntryKind::hardlink: TRYV(tree_.make_hardlink(admitted.path, admitted.link)); break;
      case EntryKind::special: break;  // never admitted
    }
    return reached(from);
  }

  Result<> write_file(archive* from, archive_entry* raw, const Admitted& admitted) {
    TRY(const os::Fd file, tree_.create_file(admitted.path));
    const std::string shown = printable(admitted.path);
    std::uint64_t size = 0;
    for (;;) {
      const void* data = nullptr;
      std::size_t count = 0;
      la_int64_t at = 0;
      const int code = archive_read_data_block(from, &data, &count, &at);
      if (code == ARCHIVE_EOF) break;
      if (code != ARCHIVE_OK || at < 0) return std::unexpected(unreadable(format_, from).error().in(shown));
      const auto begin = static_cast<std::uint64_t>(at), end = begin + count;
      if (end > size) TRYV(policy_.grow(admitted.path, end - size));
      size = std::max(size, end);
      TRYV(write_at(file.get(), {static_cast<const char*>(data), count}, begin, shown));
      TRYV(reached(from));
    }
    TRYV(end_with_hole(file, raw, size, admitted));
    return Tree::seal(file, (admitted.mode & 0111) != 0, archive_entry_mtime(raw));
  }

  // A sparse file may end with a hole, of which there is no block.
  Result<> end_with_hole(const os::Fd& file, archive_entry* raw, std::uint64_t size, const Admitted& admitted) {
    if (!archive_entry_size_is_set(raw) || archive_entry_size(raw) <= static_cast<la_int64_t>(size)) return {};
    TRYV(policy_.grow(admitted.path, static_cast<std::uint64_t>(archive_entry_size(raw)) - size));
    if (::ftruncate(file.get(), archive_entry_size(raw)) != 0) {
      return fail_errno("cannot write " + printable(admitted.path), errno);
    }
    return {};
  }

  Result<> reached(archive* from) {
    return progress_.reach(
        std::min(static_cast<std::uint64_t>(std::max<la_int64_t>(archive_filter_bytes(from, -1), 0)), scratch_.size()));
  }

  const Scratch& scratch_;
  Format format_;
  Policy policy_;
  Tree tree_;
  Progress& progress_;
  std::string block_;
};

// Reads only the zip's directory.
Result<Format> kind_of_zip(const Scratch& scratch, const std::string& basename, const Limits& limits) {
  TRY(const Archive from, open_archive(scratch, Format::zip));
  bool has_manifest = false, has_web_inf = false;
  for (std::uint32_t count = 0; count < limits.entries; ++count) {
    TRY(archive_entry* const entry, next_entry(Format::zip, from.get()));
    if (!entry) break;
    const std::string path = text_or_empty(archive_entry_pathname(entry));
    has_manifest |= path == "META-INF/MANIFEST.MF";
    has_web_inf |= path.starts_with("WEB-INF/");
  }
  return zip_kind(basename, has_manifest, has_web_inf);
}

}  // namespace

Result<Unpacked> unpack(const Scratch& scratch, Format format, const std::string& basename, const wire::FetchJob& job,
                        int root, Progress& progress) {
  const Limits limits{job.max_unpacked, job.max_entries, job.max_depth, job.max_ratio};
  if (format == Format::zip) {
    TRY(format, kind_of_zip(scratch, basename, limits));
  }
  Unpacking work(scratch, format, limits, root, progress);
  const bool is_java = format == Format::war || format == Format::jar;
  const bool is_kept_whole = format == Format::executable || (is_java && !job.unpack_java);
  return is_kept_whole ? work.whole_file(basename) : work.archive_entries();
}

}  // namespace fleet::fetch
