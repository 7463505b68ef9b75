// What SQLite asks of the system: how often a write-ahead log was synced; and files that may not grow.
#pragma once

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <cstring>

// While it lives, every database that is opened counts the syncs of its log.
class CountedSyncs {
 public:
  CountedSyncs() {
    real() = sqlite3_vfs_find(nullptr);
    vfs_ = *real();
    vfs_.zName = "counted";
    vfs_.xOpen = open;
    logs() = 0;
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~CountedSyncs() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real(), 1);
  }
  CountedSyncs(const CountedSyncs&) = delete;
  int of_logs() const { return logs(); }

 private:
  static sqlite3_vfs*& real() {
    static sqlite3_vfs* vfs = nullptr;
    return vfs;
  }
  static int& logs() {
    static int count = 0;
    return count;
  }
  static const sqlite3_io_methods*& methods() {
    static const sqlite3_io_methods* real_methods = nullptr;
    return real_methods;
  }
  static int sync(sqlite3_file* file, int flags) {
    ++logs();
    return methods()->xSync(file, flags);
  }
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
    const int code = real()->xOpen(real(), name, file, flags, out);
    if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
      static sqlite3_io_methods spied;
      methods() = file->pMethods;
      spied = *file->pMethods;
      spied.xSync = sync;
      file->pMethods = &spied;
    }
    return code;
  }
  sqlite3_vfs vfs_{};
};

// While it lives, no file of this process grows beyond `bytes`.
class FilesStaySmall {
 public:
  explicit FilesStaySmall(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = ::signal(SIGXFSZ, SIG_IGN);
  }
  ~FilesStaySmall() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  FilesStaySmall(const FilesStaySmall&) = delete;

 private:
  rlimit before_{};
  sighandler_t handler_ = SIG_DFL;
};
