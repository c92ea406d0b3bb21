// Tokens of the TCP door: one per user, in a file of mode 0600 that is named like the user.
//
// Shape    64 hex digits and a newline. Only digests are kept in memory, and they are compared in
//          constant time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace busbar::api {

class TokenTable {
 public:
  // denied: the token is shorter than 32 characters.
  Result<Ok> add(std::string_view token, std::uint32_t uid);
  // The user of a token; looks at every entry, whatever it finds.
  std::optional<std::uint32_t> find(std::string_view token) const;
  std::size_t size() const { return entries_.size(); }
  // Files that were left out, a sentence each.
  const std::vector<std::string>& left_out() const { return left_out_; }
  void leave_out(std::string sentence) { left_out_.push_back(std::move(sentence)); }

 private:
  using Digest = std::array<unsigned char, 32>;
  static Digest digest_of(std::string_view token);

  std::vector<std::pair<Digest, std::uint32_t>> entries_;
  std::vector<std::string> left_out_;
};

// The token in `path`, made when the file does not exist (owner `uid`, where we may give it away).
// denied: others may read or write it, or another user owns it; unavailable: cannot be written.
Result<std::string> load_or_make_token(const std::string& path, std::uint32_t uid);

// Reads every `<user>.token` of the folder and makes the daemon's own user's; the folder is made
// with mode 0711 where it is missing. A file of another user that is not as it must be is left out.
Result<TokenTable> load_tokens(const std::string& folder);

}  // namespace busbar::api
