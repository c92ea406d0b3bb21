// Acting as a user: who she is on this machine, and doing file work or running a program with no
// more rights than hers.
//
// Errors   not_found: this machine does not know the user. denied: this process may not act as her.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.hpp"
#include "engine/local/environment.hpp"
#include "model/job.hpp"

namespace busbar::local {

struct UserPolicy {
  bool allow_root = true;     // root's own jobs
  std::uint32_t uid_min = 0;  // users below, root apart, are refused
};

struct Account {
  AccountFacts facts;
  std::vector<gid_t> groups;  // supplementary
};

Result<Account> find_account(const UserRef& user, const UserPolicy& policy);

// While it lives the calling thread, and only it, meets the file system as the user.
class AsUser {
 public:
  explicit AsUser(const Account& account);
  ~AsUser();
  AsUser(const AsUser&) = delete;
  AsUser& operator=(const AsUser&) = delete;
  // False where the kernel refused: then nothing was switched, and nothing may be done.
  bool ok() const { return ok_; }

 private:
  bool ok_ = true;
  bool switched_ = false;
  std::vector<gid_t> groups_before_;
};

// Creates the folder and those above it as the user.
Result<Ok> make_folder_as(const Account& account, const std::string& path);

// Runs a program as the user, without input or output, in a session of its own that is killed after
// `limit`. True: it ended with 0.
bool run_as(const Account& account, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment, const std::string& working_directory,
            Span limit);

}  // namespace busbar::local
