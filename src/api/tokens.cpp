#include "api/tokens.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace busbar::api {
namespace {

constexpr std::size_t token_bytes = 32;
constexpr std::size_t token_length_min = 32;
constexpr std::size_t tokens_max = 10'000;
constexpr std::size_t tokens_per_user_max = 100;
constexpr std::size_t file_bytes_max = 4096;
constexpr std::string_view kept_suffix = ".json";
constexpr std::string_view plain_suffix = ".token";
constexpr std::size_t entry_bytes = 64 << 10;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

Error failed(const std::string& path, const char* what) {
  return {Errc::unavailable,
          "the token file " + path + " cannot be " + what + ": " + std::strerror(errno)};
}

std::string hex_of(const unsigned char* bytes, std::size_t count) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

Result<std::string> random_hex(std::size_t count) {
  unsigned char bytes[token_bytes];
  if (count > sizeof bytes || RAND_bytes(bytes, static_cast<int>(count)) != 1)
    return {Errc::unavailable, "the system gives no random bytes for a token"};
  return hex_of(bytes, count);
}

// A small file that only its owner may read.
Result<std::string> read_private(const std::string& path, std::uint32_t uid) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) return failed(path, "read");
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0) return failed(path, "read");
  if (!S_ISREG(facts.st_mode) || (facts.st_mode & 077) != 0)
    return {Errc::denied, "the token file " + path +
                              " may be read by others than its owner; run chmod 600 on it"};
  if (facts.st_uid != uid && facts.st_uid != geteuid() && facts.st_uid != 0)
    return {Errc::denied, "the token file " + path + " belongs to another user"};
  std::string text(file_bytes_max, '\0');
  const ssize_t count = read(file.get(), text.data(), text.size());
  if (count < 0) return failed(path, "read");
  text.resize(static_cast<std::size_t>(count));
  return text;
}

Result<std::string> read_token(const std::string& path, std::uint32_t uid) {
  BUSBAR_TRY(text, read_private(path, uid));
  const std::string token(trim(text));
  if (token.size() < token_length_min)
    return {Errc::denied, "the token file " + path +
                              " holds no token; delete it and start again to get a new one"};
  return token;
}

Result<std::string> make_token(const std::string& path, std::uint32_t uid) {
  BUSBAR_TRY(token, random_hex(token_bytes));
  const File file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0) return failed(path, "made");
  const std::string line = token + "\n";
  if (write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      fsync(file.get()) != 0)
    return failed(path, "written");
  if (uid != geteuid() && fchown(file.get(), uid, static_cast<gid_t>(-1)) != 0)
    return failed(path, "given to its user");
  return token;
}

std::string own_name() {
  std::vector<char> buffer(entry_bytes);
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return found == nullptr ? std::to_string(geteuid()) : found->pw_name;
}

// The facts of a file that save() wrote; nothing where it is not one.
std::optional<TokenFacts> facts_of(const nlohmann::json& file, std::string id) {
  if (!file.is_object()) return {};
  TokenFacts facts;
  facts.id = std::move(id);
  try {
    facts.uid = file.at("uid").get<std::uint32_t>();
    facts.user = file.at("user").get<std::string>();
    facts.by = file.at("by").get<std::string>();
    facts.made_unix_ms = file.at("made_unix_ms").get<std::int64_t>();
    facts.expires_unix_ms = file.at("expires_unix_ms").get<std::int64_t>();
    facts.read_only = file.at("read_only").get<bool>();
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return facts;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::optional<std::uint32_t> uid_of_user(const std::string& name) {
  std::vector<char> buffer(entry_bytes);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0) return {};
  if (found == nullptr) return {};
  return found->pw_uid;
}

Tokens::Digest Tokens::digest_of(std::string_view token) {
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);  // slow to look up
  Digest digest;
  const int done = EVP_Digest(token.data(), token.size(), digest.data(), nullptr, sha256, nullptr);
  check(done == 1, "SHA-256 cannot be had");
  return digest;
}

Result<Ok> Tokens::add(std::string_view token, TokenFacts facts) {
  if (token.size() < token_length_min) return {Errc::denied, "a token has at least 32 characters"};
  const std::lock_guard hold(lock_);
  entries_.push_back({digest_of(token), std::move(facts)});
  return Ok{};
}

std::optional<TokenFacts> Tokens::find(std::string_view token, std::int64_t now_unix_ms) const {
  const Digest digest = digest_of(token);
  std::optional<TokenFacts> found;
  const std::lock_guard hold(lock_);
  for (const Entry& entry : entries_) {
    const bool same = CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0;
    if (same && !entry.facts.expired(now_unix_ms)) found = entry.facts;
  }
  return found;
}

std::size_t Tokens::size() const {
  const std::lock_guard hold(lock_);
  return entries_.size();
}

std::vector<TokenFacts> Tokens::list() const {
  std::vector<TokenFacts> facts;
  {
    const std::lock_guard hold(lock_);
    for (const Entry& entry : entries_) facts.push_back(entry.facts);
  }
  std::sort(facts.begin(), facts.end(),
            [](const TokenFacts& a, const TokenFacts& b) { return a.id < b.id; });
  return facts;
}

Result<std::string> Tokens::make(TokenFacts& facts, std::int64_t now_unix_ms) {
  BUSBAR_TRY(token, random_hex(token_bytes));
  BUSBAR_TRY(id, random_hex(4));
  facts.id = id;
  facts.made_unix_ms = now_unix_ms;
  const std::lock_guard hold(lock_);
  std::erase_if(entries_, [&](const Entry& entry) {
    if (!entry.facts.expired(now_unix_ms)) return false;
    if (!folder_.empty()) unlink(path_of(entry.facts.id + std::string(kept_suffix)).c_str());
    return true;
  });
  const auto of_user = std::count_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.facts.uid == facts.uid;
  });
  if (entries_.size() >= tokens_max || of_user >= static_cast<long>(tokens_per_user_max))
    return {Errc::conflict,
            "there are too many tokens; revoke some (100 of one user, 10,000 in "
            "all are kept)"};
  const bool taken = std::any_of(entries_.begin(), entries_.end(),
                                 [&](const Entry& entry) { return entry.facts.id == id; });
  if (taken) return {Errc::unavailable, "the token's random id is taken; try again"};
  const Entry entry{digest_of(token), facts};
  if (!folder_.empty()) BUSBAR_TRY_OK(save(entry));
  entries_.push_back(entry);
  return token;
}

Result<Ok> Tokens::save(const Entry& entry) const {
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST)
    return {Errc::unavailable,
            "the token folder " + folder_ + " cannot be made: " + std::strerror(errno)};
  const TokenFacts& facts = entry.facts;
  const nlohmann::json file = {{"sha256", hex_of(entry.digest.data(), entry.digest.size())},
                               {"uid", facts.uid},
                               {"user", facts.user},
                               {"by", facts.by},
                               {"made_unix_ms", facts.made_unix_ms},
                               {"expires_unix_ms", facts.expires_unix_ms},
                               {"read_only", facts.read_only}};
  const std::string text =
      file.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  const std::string path = path_of(facts.id + std::string(kept_suffix));
  const std::string fresh = path + ".new";
  {
    const File out(
        open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (out.get() < 0) return failed(fresh, "made");
    if (write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        fsync(out.get()) != 0)
      return failed(fresh, "written");
  }
  if (rename(fresh.c_str(), path.c_str()) != 0) return failed(path, "written");
  const File folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || fsync(folder.get()) != 0) return failed(path, "written");
  return Ok{};
}

Result<Ok> Tokens::revoke(const std::string& id) {
  const std::lock_guard hold(lock_);
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.facts.id == id; });
  if (found == entries_.end())
    return {Errc::not_found, "there is no token " + printable(id) + "; GET /v1/tokens lists them"};
  const bool plain = id.ends_with(plain_suffix);
  const std::string path = path_of(plain ? id : id + std::string(kept_suffix));
  // What cannot be deleted would be back after a restart.
  if (!folder_.empty() && unlink(path.c_str()) != 0 && errno != ENOENT)
    return failed(path, "deleted");
  entries_.erase(found);
  return Ok{};
}

Result<Ok> Tokens::load_file(const std::string& name, std::int64_t now_unix_ms,
                             std::vector<Entry>& out) {
  if (name.ends_with(plain_suffix)) {
    TokenFacts facts;
    facts.id = name;
    facts.user = name.substr(0, name.size() - plain_suffix.size());
    facts.by = facts.user;
    const auto uid = facts.user == own_name() ? geteuid() : uid_of_user(facts.user);
    if (!uid) return {Errc::not_found, "the token file " + path_of(name) + " is of no user here"};
    facts.uid = *uid;
    BUSBAR_TRY(token, read_token(path_of(name), *uid));
    out.push_back({digest_of(token), std::move(facts)});
    return Ok{};
  }
  BUSBAR_TRY(text, read_private(path_of(name), geteuid()));
  const nlohmann::json file = nlohmann::json::parse(text, nullptr, false);
  const auto facts = facts_of(file, name.substr(0, name.size() - kept_suffix.size()));
  const std::string hex = facts ? file.value("sha256", "") : "";
  Digest digest{};
  bool good = facts && hex.size() == digest.size() * 2;
  for (std::size_t i = 0; good && i < digest.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    if (good) digest[i] = static_cast<unsigned char>(high * 16 + low);
  }
  if (!good)
    return {Errc::corrupt, "the token file " + path_of(name) + " cannot be read; delete it"};
  if (facts->expired(now_unix_ms)) {
    unlink(path_of(name).c_str());
    return Ok{};
  }
  out.push_back({digest, *facts});
  return Ok{};
}

Result<std::vector<std::string>> Tokens::load(bool own, std::int64_t now_unix_ms) {
  std::vector<std::string> left_out;
  if (folder_.empty()) return left_out;
  if (own && mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST)
    return {Errc::unavailable,
            "the token folder " + folder_ + " cannot be made: " + std::strerror(errno)};
  if (own)
    BUSBAR_TRY_OK(load_or_make_token(path_of(own_name() + std::string(plain_suffix)), geteuid()));
  std::vector<std::string> names;
  DIR* listing = opendir(folder_.c_str());
  if (listing == nullptr && (own || errno != ENOENT))
    return {Errc::unavailable,
            "the token folder " + folder_ + " cannot be read: " + std::strerror(errno)};
  while (const dirent* entry = listing == nullptr ? nullptr : readdir(listing)) {
    const std::string name = entry->d_name;
    const bool ours = name.ends_with(kept_suffix) || name.ends_with(plain_suffix);
    if (ours && name.size() > plain_suffix.size() && names.size() < tokens_max)
      names.push_back(name);
  }
  if (listing != nullptr) closedir(listing);
  std::vector<Entry> entries;
  for (const std::string& name : names) {
    const auto read = load_file(name, now_unix_ms, entries);
    if (!read.ok()) left_out.push_back(read.error().text);
  }
  const std::lock_guard hold(lock_);
  entries_ = std::move(entries);
  return left_out;
}

Result<std::string> load_or_make_token(const std::string& path, std::uint32_t uid) {
  if (access(path.c_str(), F_OK) == 0) return read_token(path, uid);
  return make_token(path, uid);
}

}  // namespace busbar::api
