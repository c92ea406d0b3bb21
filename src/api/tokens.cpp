#include "api/tokens.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace busbar::api {
namespace {

constexpr std::size_t token_bytes = 32;
constexpr std::size_t token_length_min = 32;
constexpr std::size_t tokens_max = 10'000;
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

Result<std::string> new_token() {
  unsigned char bytes[token_bytes];
  if (RAND_bytes(bytes, sizeof bytes) != 1)
    return {Errc::unavailable, "the system gives no random bytes for a token"};
  static constexpr char digits[] = "0123456789abcdef";
  std::string token;
  for (const unsigned char byte : bytes) {
    token += digits[byte >> 4];
    token += digits[byte & 15];
  }
  return token;
}

Result<std::string> read_token(const std::string& path, std::uint32_t uid) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) return failed(path, "read");
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0) return failed(path, "read");
  if (!S_ISREG(facts.st_mode) || (facts.st_mode & 077) != 0)
    return {Errc::denied, "the token file " + path +
                              " may be read by others than its owner; run chmod 600 on it"};
  if (facts.st_uid != uid && facts.st_uid != geteuid() && facts.st_uid != 0)
    return {Errc::denied, "the token file " + path + " belongs to another user"};
  char text[256];
  const ssize_t count = read(file.get(), text, sizeof text);
  if (count < 0) return failed(path, "read");
  const std::string token(trim(std::string_view(text, static_cast<std::size_t>(count))));
  if (token.size() < token_length_min)
    return {Errc::denied, "the token file " + path +
                              " holds no token; delete it and start again to get a new one"};
  return token;
}

Result<std::string> make_token(const std::string& path, std::uint32_t uid) {
  BUSBAR_TRY(token, new_token());
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

std::optional<std::uint32_t> uid_of(const std::string& name) {
  std::vector<char> buffer(entry_bytes);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0) return {};
  if (found == nullptr) return {};
  return found->pw_uid;
}

std::string own_name() {
  std::vector<char> buffer(entry_bytes);
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return found == nullptr ? std::to_string(geteuid()) : found->pw_name;
}

}  // namespace

TokenTable::Digest TokenTable::digest_of(std::string_view token) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return digest;
}

Result<Ok> TokenTable::add(std::string_view token, std::uint32_t uid) {
  if (token.size() < token_length_min) return {Errc::denied, "a token has at least 32 characters"};
  entries_.emplace_back(digest_of(token), uid);
  return Ok{};
}

std::optional<std::uint32_t> TokenTable::find(std::string_view token) const {
  const Digest digest = digest_of(token);
  std::optional<std::uint32_t> found;
  for (const auto& [known, uid] : entries_) {
    if (CRYPTO_memcmp(known.data(), digest.data(), digest.size()) == 0) found = uid;
  }
  return found;
}

Result<std::string> load_or_make_token(const std::string& path, std::uint32_t uid) {
  if (access(path.c_str(), F_OK) == 0) return read_token(path, uid);
  return make_token(path, uid);
}

Result<TokenTable> load_tokens(const std::string& folder) {
  if (mkdir(folder.c_str(), 0711) != 0 && errno != EEXIST)
    return {Errc::unavailable,
            "the token folder " + folder + " cannot be made: " + std::strerror(errno)};
  TokenTable table;
  BUSBAR_TRY(own, load_or_make_token(folder + "/" + own_name() + ".token", geteuid()));
  BUSBAR_TRY_OK(table.add(own, geteuid()));
  DIR* listing = opendir(folder.c_str());
  if (listing == nullptr)
    return {Errc::unavailable,
            "the token folder " + folder + " cannot be read: " + std::strerror(errno)};
  std::vector<std::string> users;
  while (const dirent* entry = readdir(listing)) {
    const std::string name = entry->d_name;
    if (name.size() > 6 && name.ends_with(".token") && users.size() < tokens_max)
      users.push_back(name.substr(0, name.size() - 6));
  }
  closedir(listing);
  for (const std::string& user : users) {
    const auto uid = uid_of(user);
    if (!uid || *uid == geteuid()) continue;
    const auto token = read_token(folder + "/" + user + ".token", *uid);
    if (!token.ok()) {
      table.leave_out(token.error().text);
    } else if (const auto added = table.add(token.value(), *uid); !added.ok()) {
      table.leave_out(added.error().text);
    }
  }
  return table;
}

}  // namespace busbar::api
