#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <vector>

#include "acquire.hpp"
#include "os/fd.hpp"
#include "text.hpp"

namespace fleet::fetch {
namespace {

constexpr std::size_t kBlock = 256u << 10;

os::Fd open_at(int folder, const std::string& name, int flags) {
  return os::Fd(::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags));
}

Result<std::vector<std::string>> names_in(const os::Fd& folder, const std::string& shown, std::size_t most) {
  const std::unique_ptr<DIR, int (*)(DIR*)> items(::fdopendir(open_at(folder.get(), ".", O_DIRECTORY).release()),
                                                  ::closedir);
  if (!items) return fail_errno("cannot read " + shown, errno);
  std::vector<std::string> out;
  while (const dirent* item = ::readdir(items.get())) {
    const std::string name = item->d_name;
    if (name == "." || name == "..") continue;
    if (out.size() == most) return fail(ErrorKind::fetch, shown + ": more than " + std::to_string(most) + " entries");
    out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Whoever's umask it was made with; what must not be in a release is for the policy to refuse.
mode_t mode_of(const struct stat& is) {
  const bool executable = !S_ISREG(is.st_mode) || (is.st_mode & 0111) != 0;
  return (S_ISREG(is.st_mode) ? is.st_mode & 06000 : 0) | (executable ? 0755 : 0644);
}

class Packing {
 public:
  Packing(const Source& source, const wire::FetchJob& job, Scratch& scratch, Progress& progress)
      : source_(source), job_(job), scratch_(scratch), progress_(progress) {}

  Result<> run(const os::Fd& top) {
    archive_write_set_format_pax_restricted(writer_.get());
    archive_write_set_bytes_per_block(writer_.get(), 0);
    if (archive_write_open(writer_.get(), this, nullptr, &on_bytes, nullptr) != ARCHIVE_OK) return unwritten();
    TRYV(pack_all(top, "", 1));
    return archive_write_close(writer_.get()) == ARCHIVE_OK ? Result<>() : unwritten();
  }

 private:
  static la_ssize_t on_bytes(archive*, void* self, const void* data, std::size_t size) {
    auto& mine = *static_cast<Packing*>(self);
    mine.failure_ = mine.scratch_.append({static_cast<const char*>(data), size});
    return mine.failure_ ? static_cast<la_ssize_t>(size) : -1;
  }

  Result<> unwritten() {
    if (!failure_) return std::unexpected(std::move(failure_.error()).in(source_.shown));
    const char* why = archive_error_string(writer_.get());
    return fail(ErrorKind::fetch, "cannot pack " + source_.shown + ": " + printable(why ? why : "out of memory"));
  }

  std::string shown(const std::string& path) const { return source_.shown + "/" + printable(path); }

  Result<> pack_all(const os::Fd& folder, const std::string& path, std::uint32_t depth) {
    if (depth > job_.max_depth) {
      return fail(ErrorKind::fetch, shown(path) + ": deeper than " + std::to_string(job_.max_depth) + " folders");
    }
    TRY(const auto names, names_in(folder, shown(path), job_.max_entries));
    for (const auto& name : names) TRYV(pack(folder, name, path.empty() ? name : path + "/" + name, depth));
    return {};
  }

  Result<> pack(const os::Fd& parent, const std::string& name, const std::string& path, std::uint32_t depth) {
    struct stat is {};
    if (::fstatat(parent.get(), name.c_str(), &is, AT_SYMLINK_NOFOLLOW) != 0) {
      return fail_errno("cannot read " + shown(path), errno);
    }
    if (++entries_ > job_.max_entries) {
      return fail(ErrorKind::fetch, shown(path) + ": more than " + std::to_string(job_.max_entries) + " entries");
    }
    if (S_ISDIR(is.st_mode)) {
      TRYV(begin_entry(path, is, ""));
      const os::Fd folder = open_at(parent.get(), name, O_DIRECTORY);
      if (!folder) return fail_errno("cannot read " + shown(path), errno);
      return pack_all(folder, path, depth + 1);
    }
    if (S_ISLNK(is.st_mode)) {
      std::string target(PATH_MAX, '\0');
      const ssize_t length = ::readlinkat(parent.get(), name.c_str(), target.data(), target.size());
      if (length < 0) return fail_errno("cannot read " + shown(path), errno);
      target.resize(static_cast<std::size_t>(length));
      return begin_entry(path, is, target);
    }
    if (!S_ISREG(is.st_mode)) return fail(ErrorKind::fetch, shown(path) + ": it is a device, fifo or socket");
    return pack_file(open_at(parent.get(), name, 0), path);
  }

  Result<> begin_entry(const std::string& path, const struct stat& is, const std::string& link) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), path.c_str());
    archive_entry_set_filetype(entry.get(), is.st_mode & S_IFMT);
    archive_entry_set_perm(entry.get(), mode_of(is));
    archive_entry_set_mtime(entry.get(), 0, 0);
    if (S_ISLNK(is.st_mode)) archive_entry_set_symlink(entry.get(), link.c_str());
    archive_entry_set_size(entry.get(), S_ISREG(is.st_mode) ? is.st_size : 0);
    return archive_write_header(writer_.get(), entry.get()) == ARCHIVE_OK ? Result<>() : unwritten();
  }

  Result<> pack_file(const os::Fd& file, const std::string& path) {
    struct stat is {};
    if (!file || ::fstat(file.get(), &is) != 0) return fail_errno("cannot read " + shown(path), errno);
    if (!S_ISREG(is.st_mode)) return changed(path);
    TRYV(scratch_.expect(static_cast<std::uint64_t>(is.st_size)));
    TRYV(begin_entry(path, is, ""));
    off_t done = 0;
    for (;;) {
      const ssize_t got = ::read(file.get(), block_.data(), block_.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno("cannot read " + shown(path), errno);
      if (got == 0) break;
      if (got > is.st_size - done) return changed(path);
      if (archive_write_data(writer_.get(), block_.data(), static_cast<std::size_t>(got)) != got) return unwritten();
      done += got;
      TRYV(progress_.reach(scratch_.size()));
    }
    return done == is.st_size ? Result<>() : changed(path);
  }

  Result<> changed(const std::string& path) const {
    return fail(ErrorKind::fetch, shown(path) + ": it changed while it was read (is it still being written?)");
  }

  const Source& source_;
  const wire::FetchJob& job_;
  Scratch& scratch_;
  Progress& progress_;
  std::uint32_t entries_ = 0;
  Result<> failure_;  // of what libarchive was given to write to
  std::string block_ = std::string(kBlock, '\0');
  std::unique_ptr<archive, decltype(&archive_write_free)> writer_{archive_write_new(), archive_write_free};
};

}  // namespace

Result<> pack_folder(const Source& source, const os::Fd& folder, const wire::FetchJob& job, Scratch& scratch,
                     Progress& progress) {
  return Packing(source, job, scratch, progress).run(folder);
}

}  // namespace fleet::fetch
