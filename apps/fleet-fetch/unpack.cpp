#include "unpack.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <memory>
#include <optional>

#include "decompress.hpp"
#include "policy.hpp"
#include "space.hpp"
#include "text.hpp"
#include "tree.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kBlock = 256u << 10;
constexpr std::uint64_t kWorthFlushing = 1u << 20;  // bytes

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

std::unexpected<Error> unreadable(Format format, archive* from) {
  std::string why = archive_error_string(from) ? printable(archive_error_string(from)) : "it is damaged";
  why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
  return fail(ErrorKind::verify, "cannot unpack as " + std::string(name(format)) + ": " + why);
}

// A tar that is decompressed on its way to libarchive.
struct Stream {
  std::unique_ptr<Decompressed> from;
  std::optional<Error> error;

  static la_ssize_t on_read(archive*, void* self, const void** data) {
    auto& mine = *static_cast<Stream*>(self);
    auto block = mine.from->next();
    if (!block) mine.error = std::move(block.error());
    if (!block) return -1;
    *data = block->data();
    return static_cast<la_ssize_t>(block->size());
  }
};

bool is_compressed_tar(Format format) { return format > Format::tar && format < Format::zip; }

// Only the reader for this format, so that no other of libarchive's parsers ever sees the bytes. `stream`: of a
// compressed tar.
Result<Archive> open_archive(const Scratch& scratch, Format format, Stream* stream = nullptr) {
  Archive out(archive_read_new(), archive_read_free);
  if (!out) return fail("cannot start libarchive");
  if (format < Format::zip) archive_read_support_format_tar(out.get());
  else archive_read_support_format_zip_seekable(out.get());
  if (stream) {
    const int code = archive_read_open(out.get(), stream, nullptr, &Stream::on_read, nullptr);
    return code == ARCHIVE_OK ? Result<Archive>(std::move(out)) : unreadable(format, out.get());
  }
  if (::lseek(scratch.fd(), 0, SEEK_SET) != 0) return fail_errno("cannot rewind the temporary file", errno);
  if (archive_read_open_fd(out.get(), scratch.fd(), kBlock) != ARCHIVE_OK) return unreadable(format, out.get());
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
      : scratch_(scratch), format_(format), policy_(limits, scratch.size()), most_bytes_(limits.bytes), root_(root), tree_(root), progress_(progress) {}

  Result<Unpacked> archive_entries() {
    if (!is_compressed_tar(format_)) {
      TRY(const Archive from, open_archive(scratch_, format_));
      TRYV(write_entries(from.get()));
      return finished();
    }
    auto done = decompressed_entries();
    // What was wrong with the compression says more than what that did to the tar.
    if (stream_.error) return std::unexpected(std::move(*stream_.error).in("cannot unpack as " + std::string(name(format_))));
    if (!done) return std::unexpected(std::move(done.error()));
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
    is_whole_ = true;
    return finished();
  }

 private:
  Result<> write_entries(archive* from) {
    for (;;) {
      TRY(archive_entry* const entry, next_entry(format_, from));
      if (!entry) return {};
      TRYV(write_entry(from, entry));
    }
  }

  // To the end of the file, beyond that of the tar: there it says whether all before was whole.
  Result<> decompressed_entries() {
    auto opened = Decompressed::open(scratch_, format_);
    if (!opened) {
      stream_.error = std::move(opened.error());
      return {};
    }
    stream_.from = std::move(*opened);
    TRY(const Archive from, open_archive(scratch_, format_, &stream_));
    TRYV(write_entries(from.get()));
    for (;;) {
      auto rest = stream_.from->next();
      if (!rest) stream_.error = std::move(rest.error());
      if (!rest || rest->empty()) return {};
      TRYV(policy_.grow("what follows its last entry", rest->size()));
      TRYV(reached(from.get()));
    }
  }

  Result<Unpacked> finished() {
    if (policy_.entries() == 0) return fail(ErrorKind::verify, "the archive has no files in it");
    TRYV(tree_.seal_folders());
    return Unpacked{format_, policy_.bytes(), policy_.entries(), is_whole_};
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
    const std::string shown = printable(admitted.path);
    if (archive_entry_size_is_set(raw) && archive_entry_size(raw) > 0) {
      const auto declared = static_cast<std::uint64_t>(archive_entry_size(raw));
      TRYV(check_room(root_, std::min(declared, most_bytes_), shown));  // beyond that it is refused for its size
    }
    TRY(const os::Fd file, tree_.create_file(admitted.path));
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
    // On its way to the disk already, when the release waits for all of it to be there.
    if (size >= kWorthFlushing) ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
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
    const auto read = stream_.from ? stream_.from->consumed()
                                   : static_cast<std::uint64_t>(std::max<la_int64_t>(archive_filter_bytes(from, -1), 0));
    return progress_.reach(std::min(read, scratch_.size()));
  }

  const Scratch& scratch_;
  Format format_;
  Policy policy_;
  std::uint64_t most_bytes_;
  int root_;  // borrowed
  Tree tree_;
  Progress& progress_;
  Stream stream_;
  bool is_whole_ = false;
  std::string block_;
};

struct ZipDirectory {
  Format kind = Format::zip;
  std::uint64_t bytes = 0;  // of all entries, as it says
};

Result<ZipDirectory> directory_of(const Scratch& scratch, const std::string& basename, const Limits& limits) {
  TRY(const Archive from, open_archive(scratch, Format::zip));
  bool has_manifest = false, has_web_inf = false;
  ZipDirectory out;
  for (std::uint32_t count = 0; count < limits.entries; ++count) {
    TRY(archive_entry* const entry, next_entry(Format::zip, from.get()));
    if (!entry) break;
    const std::string path = text_or_empty(archive_entry_pathname(entry));
    const auto size = static_cast<std::uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0));
    out.bytes += std::min(size, limits.bytes);  // no sum of so many overflows
    has_manifest |= path == "META-INF/MANIFEST.MF";
    has_web_inf |= path.starts_with("WEB-INF/");
  }
  out.kind = zip_kind(basename, has_manifest, has_web_inf);
  return out;
}

}  // namespace

Result<Unpacked> unpack(const Scratch& scratch, Format format, const std::string& basename, const wire::FetchJob& job,
                        int root, Progress& progress) {
  const Limits limits{job.max_unpacked, job.max_entries, job.max_depth, job.max_ratio};
  TRY(auto declared, declared_size(scratch, format));
  if (format == Format::zip) {
    TRY(const auto directory, directory_of(scratch, basename, limits));
    format = directory.kind;
    declared = directory.bytes;
  }
  const bool is_java = format == Format::war || format == Format::jar;
  const bool is_kept_whole = format == Format::executable || (is_java && !job.unpack_java);
  const auto needed = is_kept_whole ? scratch.size() : declared.value_or(0);
  // More than it may have is refused with the entry's name, once it has it.
  TRYV(check_room(root, std::min(needed, job.max_unpacked), "what it unpacks to"));
  Unpacking work(scratch, format, limits, root, progress);
  return is_kept_whole ? work.whole_file(basename) : work.archive_entries();
}

}  // namespace fleet::fetch
