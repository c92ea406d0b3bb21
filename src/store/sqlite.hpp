// A thin owner of one SQLite connection and its statements; private to the store.
//
// Threads  one Connection is used by one thread at a time.
// Errors   a failed call returns an Error whose sentence names the file; `failure()` sorts the
//          connection's last error by reaction.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace busbar::store {

enum class Access { read_only, read_write, create };

// What a failed write asks for.
enum class Failure {
  none,
  busy,    // another connection is in the way: try again
  full,    // no space: keep and try again
  broken,  // input, output or sync failed, or the file is damaged: stop and recover
};

// A prepared statement in use; resets itself when it goes out of scope.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement& operator=(Statement&&) = delete;

  // Parameters are bound in order, from 1. Text and blobs must live until the last step.
  Statement& bind(std::int64_t value);
  Statement& bind(std::uint64_t value) { return bind(static_cast<std::int64_t>(value)); }
  Statement& bind_text(std::string_view value);
  Statement& bind_blob(std::string_view value);

  // True: there is a row. Columns count from 0.
  Result<bool> step();
  std::int64_t integer(int column) const;
  std::uint64_t number(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::string text(int column) const;
  std::string_view blob(int column) const;  // until the next step
  bool is_null(int column) const;

  void reset();  // for the next use with new parameters

 private:
  sqlite3_stmt* handle_;
  int next_ = 1;
};

class Connection {
 public:
  // `vfs` names a SQLite file layer; "" for the default one.
  static Result<Connection> open(const std::string& path, Access access, const std::string& vfs);
  ~Connection();
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Statements without results.
  Result<Ok> run(const std::string& sql);
  // Kept prepared, by its text.
  Result<Statement> prepare(std::string_view sql);
  // First column of the first row; `missing` without a row.
  Result<std::int64_t> integer(std::string_view sql, std::int64_t missing = 0);

  Result<Ok> begin();
  Result<Ok> commit();
  void rollback();  // nothing when no transaction is open

  Failure failure() const;
  std::int64_t changes() const;
  // Pages in the write-ahead log after the last commit.
  int wal_pages() const { return *wal_pages_; }
  // Copies the log into the database; `whole` also empties the log.
  Result<Ok> checkpoint(bool whole);
  // Closing will leave the log as it is: after a failed sync nothing more is to be trusted.
  void abandon();
  const std::string& path() const { return path_; }
  sqlite3* handle() { return handle_; }

 private:
  Connection(sqlite3* handle, std::string path);
  void close();
  Error error() const;

  sqlite3* handle_ = nullptr;
  std::string path_;
  std::unique_ptr<int> wal_pages_;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

}  // namespace busbar::store
