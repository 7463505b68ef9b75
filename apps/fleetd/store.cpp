#include "store.hpp"

#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <cstdlib>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <variant>

#include "core/json.hpp"

namespace fleet {
namespace {

constexpr int kSchema = 1;
constexpr const char* kTables = R"(
  CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE apps(name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE deployments(id INTEGER PRIMARY KEY, running INTEGER NOT NULL, view TEXT NOT NULL, baseline TEXT NOT NULL);
  CREATE INDEX deployments_running ON deployments(running) WHERE running = 1;
  CREATE TABLE releases(app TEXT NOT NULL, number INTEGER NOT NULL, release TEXT NOT NULL, PRIMARY KEY(app, number));
  CREATE TABLE events(seq INTEGER PRIMARY KEY, event TEXT NOT NULL);
)";

// For tests of what comes after: FLEETD_DIE_AT_SAVE=N kills this process just before its N-th transaction is on disk,
// FLEETD_DIE_AT_SAVE=N+ just after.
class Death {
 public:
  static void watch(sqlite3* handle) {
    const char* text = std::getenv("FLEETD_DIE_AT_SAVE");
    if (!text) return;
    static Death death(text);
    if (death.after_) sqlite3_wal_hook(handle, committed, &death);
    else sqlite3_commit_hook(handle, committing, &death);
  }

 private:
  explicit Death(std::string_view text) : after_(text.ends_with('+')) {
    std::from_chars(text.data(), text.data() + text.size(), left_);
  }
  void count() {
    if (left_ != 0 && --left_ == 0) ::kill(::getpid(), SIGKILL);
  }
  static int committing(void* self) {
    static_cast<Death*>(self)->count();
    return 0;
  }
  static int committed(void* self, sqlite3*, const char*, int) {
    static_cast<Death*>(self)->count();
    return SQLITE_OK;
  }
  std::uint64_t left_ = 0;
  const bool after_;
};

using Value = std::variant<std::int64_t, std::string>;

struct Closer {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};

}  // namespace

struct Store::Database {
  std::string path;
  bool is_new = false;
  std::unique_ptr<sqlite3, Closer> handle;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Closer>> statements;
  std::function<void(const Result<>&)> told = [](const Result<>&) {};

  bool in_transaction() const { return sqlite3_get_autocommit(handle.get()) == 0; }

  ~Database() { statements.clear(); }

  std::unexpected<Error> error(const char* what) const {
    const int code = handle ? sqlite3_errcode(handle.get()) & 0xff : SQLITE_NOMEM;
    const auto kind = code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ErrorKind::verify : ErrorKind::internal;
    return fail(kind, path + ": cannot " + what + ": " + sqlite3_errmsg(handle.get()));
  }

  // Runs one statement; `row` is called with each row of the answer.
  Result<> run(const std::string& sql, std::initializer_list<Value> values = {},
               const std::function<Result<>(sqlite3_stmt*)>& row = {}) {
    auto& statement = statements[sql];
    if (!statement) {
      sqlite3_stmt* prepared = nullptr;
      if (sqlite3_prepare_v2(handle.get(), sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK) return error("prepare");
      statement.reset(prepared);
    }
    int position = 0;
    for (const auto& value : values) {
      ++position;
      if (const auto* number = std::get_if<std::int64_t>(&value)) {
        sqlite3_bind_int64(statement.get(), position, *number);
      } else {
        const auto& text = std::get<std::string>(value);
        sqlite3_bind_text(statement.get(), position, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
      }
    }
    const bool is_part = in_transaction();
    Result<> result;
    for (;;) {
      const int code = sqlite3_step(statement.get());
      if (code == SQLITE_DONE) break;
      if (code != SQLITE_ROW) {
        result = error("write");
        break;
      }
      if (row && result) result = row(statement.get());
    }
    sqlite3_reset(statement.get());
    const bool began_one = result && in_transaction();
    if (!is_part && !began_one && sqlite3_stmt_readonly(statement.get()) == 0) told(result);
    return result;
  }

  // The tables as this fleetd knows them.
  Result<> take_schema() {
    std::int64_t schema = 0;
    TRYV(run("PRAGMA user_version", {}, [&](sqlite3_stmt* row) {
      schema = sqlite3_column_int64(row, 0);
      return Result<>();
    }));
    if (schema > kSchema) {
      return fail(ErrorKind::usage, path + ": written by a newer fleetd (schema " + std::to_string(schema) +
                                        ", this one knows " + std::to_string(kSchema) + ")");
    }
    if (schema != 0) return {};
    const auto script = std::string("BEGIN;") + kTables + "PRAGMA user_version = " + std::to_string(kSchema) + "; COMMIT;";
    if (sqlite3_exec(handle.get(), script.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return error("make tables");
    is_new = true;
    return {};
  }

  template <class T>
  Result<std::vector<T>> list(const std::string& sql, std::initializer_list<Value> values = {}) {
    std::vector<T> all;
    TRYV(run(sql, values, [&](sqlite3_stmt* row) { return read(row, 0, all.emplace_back()); }));
    return all;
  }

  template <class T>
  Result<> read(sqlite3_stmt* row, int column, T& value) {
    const auto parsed = json::Json::parse(text(row, column), nullptr, false);
    if (parsed.is_discarded()) return fail(ErrorKind::verify, path + ": a record is not JSON");
    if (auto result = json::read(parsed, value); !result) {
      result.error().kind = ErrorKind::verify;
      return std::unexpected(std::move(result.error()).in(path + ": a record does not hold"));
    }
    return {};
  }

  static std::string text(sqlite3_stmt* row, int column) {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
    return bytes ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(row, column))) : std::string();
  }
};

namespace {

template <class T>
std::string dump(const T& value) {
  return json::write(value).dump(-1, ' ', false, json::Json::error_handler_t::replace);
}

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

Store::Store(std::unique_ptr<Database> db) : db_(std::move(db)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const std::string& path) {
  auto db = std::make_unique<Database>();
  db->path = path;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  db->handle.reset(handle);
  if (code != SQLITE_OK) return db->error("open");
  ::chmod(path.c_str(), 0600);
  std::string journal;
  TRYV(db->run("PRAGMA journal_mode = WAL", {}, [&](sqlite3_stmt* row) {
    journal = Database::text(row, 0);
    return Result<>();
  }));
  if (journal != "wal") return fail(path + ": this file system takes no write-ahead log");
  TRYV(db->run("PRAGMA synchronous = FULL"));
  TRYV(db->take_schema());
  Death::watch(handle);
  return Store(std::move(db));
}

Result<> Store::check(const std::string& path) {
  auto db = std::make_unique<Database>();
  db->path = path;
  sqlite3* handle = nullptr;
  const bool opened = sqlite3_open_v2(":memory:", &handle, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK;
  db->handle.reset(handle);
  if (!opened) return db->error("copy");
  if (::access(path.c_str(), F_OK) != 0) return {};
  Database file;
  file.path = path;
  const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READONLY, nullptr);
  file.handle.reset(handle);
  if (code != SQLITE_OK) return file.error("open");
  auto* copy = sqlite3_backup_init(db->handle.get(), "main", file.handle.get(), "main");
  if (!copy) return db->error("copy");
  while (sqlite3_backup_step(copy, -1) == SQLITE_BUSY) sqlite3_sleep(10);
  if (sqlite3_backup_finish(copy) != SQLITE_OK) return db->error("copy");
  TRYV(db->take_schema());
  return Store(std::move(db)).verify();
}

bool Store::is_new() const { return db_->is_new; }
void Store::tell(std::function<void(const Result<>& saved)> told) { db_->told = std::move(told); }

// All that fleetd reads when it starts can be read.
Result<> Store::verify() {
  std::string found;
  TRYV(db_->run("PRAGMA quick_check(1)", {}, [&](sqlite3_stmt* row) {
    found = Database::text(row, 0);
    return Result<>();
  }));
  if (found != "ok") return fail(ErrorKind::verify, db_->path + ": damaged: " + found);
  TRYV(apps());
  TRYV(running_deployments());
  return {};
}

Result<Store> Store::open_or_begin(const std::string& path, std::string& damage) {
  auto store = open(path);
  if (store) {
    const auto verified = store->verify();
    if (verified) return store;
    store = std::unexpected(verified.error());
  }
  if (store.error().kind != ErrorKind::verify) return store;
  const auto aside = path + ".damaged-" + std::to_string(std::time(nullptr));
  if (::rename(path.c_str(), aside.c_str()) != 0) return fail_errno("cannot set " + path + " aside", errno);
  for (const auto* more : {"-wal", "-shm"}) (void)::rename((path + more).c_str(), (aside + more).c_str());
  damage = store.error().text + "; set aside as " + aside;
  return open(path);
}

Result<> Store::save(const std::function<Result<>()>& work) {
  TRYV(db_->run("BEGIN IMMEDIATE"));
  auto result = work();
  if (result) result = db_->run("COMMIT");
  if (!result) (void)db_->run("ROLLBACK");
  db_->told(result);
  return result;
}

Result<> Store::put_app(const plan::AppState& state) {
  return db_->run("INSERT OR REPLACE INTO apps VALUES(?, ?)", {state.name, dump(state)});
}
Result<std::vector<plan::AppState>> Store::apps() {
  return db_->list<plan::AppState>("SELECT state FROM apps ORDER BY name");
}

Result<> Store::put_deployment(const DeploymentRecord& record) {
  const bool running = record.view.state == api::DeploymentState::running;
  return db_->run("INSERT OR REPLACE INTO deployments VALUES(?, ?, ?, ?)",
                  {number(record.view.id), std::int64_t{running}, dump(record.view), dump(record.baseline)});
}

Result<std::optional<DeploymentRecord>> Store::deployment(api::DeploymentId id) {
  std::optional<DeploymentRecord> found;
  TRYV(db_->run("SELECT view, baseline FROM deployments WHERE id = ?", {number(id)}, [&](sqlite3_stmt* row) -> Result<> {
    auto& record = found.emplace();
    TRYV(db_->read(row, 0, record.view));
    return db_->read(row, 1, record.baseline);
  }));
  return found;
}

Result<std::vector<DeploymentRecord>> Store::running_deployments() {
  std::vector<DeploymentRecord> all;
  TRYV(db_->run("SELECT view, baseline FROM deployments WHERE running = 1 ORDER BY id", {}, [&](sqlite3_stmt* row) -> Result<> {
    auto& record = all.emplace_back();
    TRYV(db_->read(row, 0, record.view));
    return db_->read(row, 1, record.baseline);
  }));
  return all;
}

Result<> Store::put_release(const Release& release) {
  return db_->run("INSERT OR REPLACE INTO releases VALUES(?, ?, ?)",
                  {release.app, number(release.number), dump(release)});
}
Result<std::vector<Release>> Store::releases(const std::string& app) {
  return db_->list<Release>("SELECT release FROM releases WHERE app = ? ORDER BY number DESC", {app});
}

Result<> Store::put_event(const api::EventView& event) {
  return db_->run("INSERT OR REPLACE INTO events VALUES(?, ?)", {number(event.seq), dump(event)});
}
Result<std::vector<api::EventView>> Store::events(std::size_t newest) {
  return db_->list<api::EventView>(
      "SELECT event FROM (SELECT seq, event FROM events ORDER BY seq DESC LIMIT ?) ORDER BY seq", {number(newest)});
}
Result<> Store::prune_events(std::size_t keep) {
  return db_->run("DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?", {number(keep)});
}

Result<> Store::put(const std::string& key, const std::string& value) {
  return db_->run("INSERT OR REPLACE INTO meta VALUES(?, ?)", {key, value});
}
Result<std::string> Store::get(const std::string& key) {
  std::string value;
  TRYV(db_->run("SELECT value FROM meta WHERE key = ?", {key}, [&](sqlite3_stmt* row) {
    value = Database::text(row, 0);
    return Result<>();
  }));
  return value;
}

}  // namespace fleet
