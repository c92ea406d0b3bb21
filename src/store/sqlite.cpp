#include "store/sqlite.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace busbar::store {
namespace {

constexpr int busy_wait_ms = 5000;

Errc code_of(int primary) {
  switch (primary) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::corrupt;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return Errc::denied;
    default:
      return Errc::unavailable;
  }
}

Error describe_error(sqlite3* handle, const std::string& path) {
  std::string text = path + ": " + sqlite3_errmsg(handle);
  const int system_code = sqlite3_system_errno(handle);
  const int primary = sqlite3_errcode(handle) & 0xFF;
  if (system_code != 0 &&
      (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL))
    text += std::string(" (") + std::strerror(system_code) + ")";
  return {code_of(primary), text};
}

int count_wal_pages(void* pages, sqlite3*, const char*, int count) {
  *static_cast<int*>(pages) = count;
  return SQLITE_OK;
}

}  // namespace

Statement::~Statement() {
  if (handle_ != nullptr) reset();
}

Statement::Statement(Statement&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), next_(other.next_) {}

Statement& Statement::bind(std::int64_t value) {
  check(sqlite3_bind_int64(handle_, next_++, value) == SQLITE_OK, "a statement takes a number");
  return *this;
}

Statement& Statement::bind_text(std::string_view value) {
  check(sqlite3_bind_text64(handle_, next_++, value.data() != nullptr ? value.data() : "",
                            value.size(), SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK,
        "a statement takes a text");
  return *this;
}

Statement& Statement::bind_blob(std::string_view value) {
  check(sqlite3_bind_blob64(handle_, next_++, value.data() != nullptr ? value.data() : "",
                            value.size(), SQLITE_STATIC) == SQLITE_OK,
        "a statement takes bytes");
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* connection = sqlite3_db_handle(handle_);
  const char* file = sqlite3_db_filename(connection, "main");
  return describe_error(connection, file != nullptr ? file : "");
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

std::string Statement::text(int column) const { return std::string(blob(column)); }

std::string_view Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

void Statement::reset() {
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
  next_ = 1;
}

Connection::Connection(sqlite3* handle, std::string path)
    : handle_(handle), path_(std::move(path)), wal_pages_(std::make_unique<int>(0)) {
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, busy_wait_ms);
  // Checkpoints are ours: SQLite's automatic ones swallow a failed sync.
  sqlite3_wal_hook(handle_, count_wal_pages, wal_pages_.get());
}

Result<Connection> Connection::open(const std::string& path, Access access,
                                    const std::string& vfs) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
  flags |= access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (access == Access::create) flags |= SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    Error error{Errc::unavailable, path + ": out of memory"};
    if (handle != nullptr) error = describe_error(handle, path);
    sqlite3_close_v2(handle);
    return error;
  }
  return Connection(handle, path);
}

Connection::~Connection() { close(); }

Connection::Connection(Connection&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      path_(std::move(other.path_)),
      wal_pages_(std::move(other.wal_pages_)),
      statements_(std::move(other.statements_)) {
  other.statements_.clear();
}

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this == &other) return *this;
  close();
  handle_ = std::exchange(other.handle_, nullptr);
  path_ = std::move(other.path_);
  wal_pages_ = std::move(other.wal_pages_);
  statements_ = std::move(other.statements_);
  other.statements_.clear();
  return *this;
}

void Connection::close() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  statements_.clear();
  sqlite3_close_v2(handle_);
  handle_ = nullptr;
}

Error Connection::error() const { return describe_error(handle_, path_); }

Result<Ok> Connection::run(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return error();
  return Ok{};
}

Result<Statement> Connection::prepare(std::string_view sql) {
  if (const auto found = statements_.find(sql); found != statements_.end())
    return Statement(found->second);
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    return error();
  statements_.emplace(std::string(sql), statement);
  return Statement(statement);
}

Result<std::int64_t> Connection::integer(std::string_view sql, std::int64_t missing) {
  BUSBAR_TRY(statement, prepare(sql));
  BUSBAR_TRY(found, statement.step());
  return found && !statement.is_null(0) ? statement.integer(0) : missing;
}

Result<Ok> Connection::begin() { return run("BEGIN IMMEDIATE"); }
Result<Ok> Connection::commit() { return run("COMMIT"); }

void Connection::rollback() {
  if (sqlite3_get_autocommit(handle_) == 0)
    sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Failure Connection::failure() const {
  const int code = sqlite3_extended_errcode(handle_);
  const int cause = sqlite3_system_errno(handle_);
  switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return Failure::none;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
      return Failure::busy;
    case SQLITE_FULL:
      return Failure::full;
    case SQLITE_IOERR:
      // A sync that fails is never tried again: what it lost cannot be known.
      if (code != SQLITE_IOERR_FSYNC && code != SQLITE_IOERR_DIR_FSYNC &&
          (cause == ENOSPC || cause == EDQUOT))
        return Failure::full;
      return Failure::broken;
    default:
      return Failure::broken;
  }
}

std::int64_t Connection::changes() const { return sqlite3_changes64(handle_); }

Result<Ok> Connection::checkpoint(bool whole) {
  const int mode = whole ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  *wal_pages_ = 0;
  const int code = sqlite3_wal_checkpoint_v2(handle_, "main", mode, nullptr, nullptr);
  if (code != SQLITE_OK && (code & 0xFF) != SQLITE_BUSY) return error();
  return Ok{};
}

void Connection::abandon() {
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

}  // namespace busbar::store
