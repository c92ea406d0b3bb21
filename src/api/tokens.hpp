// Tokens of the TCP door: whose they are, until when, and what they allow.
//
// Shape    a token is 64 hex digits. Of those that were made on request only the SHA-256 is kept,
// in
//          `<id>.json` of the folder; the daemon's own user's, and any that an operator puts there
//          by hand, lie in `<user>.token` as they are. Files have mode 0600.
// Threads  any.
// Bounds   100 tokens of one user, 10,000 in all; expired ones are deleted.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace busbar::api {

struct TokenFacts {
  std::string id;
  std::uint32_t uid = 0;
  std::string user;
  std::string by;  // who made it
  std::int64_t made_unix_ms = 0;
  std::int64_t expires_unix_ms = 0;  // 0: never
  bool read_only = false;

  bool expired(std::int64_t now_unix_ms) const {
    return expires_unix_ms != 0 && now_unix_ms >= expires_unix_ms;
  }
};

class Tokens {
 public:
  // "" keeps them in memory only.
  explicit Tokens(std::string folder = "") : folder_(std::move(folder)) {}

  // Takes what the folder holds in place of what was known; a sentence for each file left out. With
  // `own` the daemon's own user gets a token where it has none. unavailable: no folder.
  Result<std::vector<std::string>> load(bool own, std::int64_t now_unix_ms);
  // Fills the id and gives the token, which nobody can ask for again. conflict: too many.
  Result<std::string> make(TokenFacts& facts, std::int64_t now_unix_ms);
  Result<Ok> revoke(const std::string& id);  // not_found
  std::vector<TokenFacts> list() const;      // by id
  // A token that somebody chose. denied: it is shorter than 32 characters.
  Result<Ok> add(std::string_view token, TokenFacts facts);
  // Whose token it is; looks at every entry, whatever it finds.
  std::optional<TokenFacts> find(std::string_view token, std::int64_t now_unix_ms) const;
  std::size_t size() const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry {
    Digest digest;
    TokenFacts facts;
  };
  static Digest digest_of(std::string_view token);
  Result<Ok> load_file(const std::string& name, std::int64_t now_unix_ms, std::vector<Entry>& out);
  Result<Ok> save(const Entry& entry) const;
  std::string path_of(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
  mutable std::mutex lock_;
  std::vector<Entry> entries_;
};

// The token in `path`, made when the file does not exist (owner `uid`, where we may give it away).
// denied: others may read or write it, or another user owns it; unavailable: cannot be written.
Result<std::string> load_or_make_token(const std::string& path, std::uint32_t uid);

// A user's id by the system's database.
std::optional<std::uint32_t> uid_of_user(const std::string& name);

}  // namespace busbar::api
