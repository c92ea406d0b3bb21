// Who a user id is, by the system's own user database, and who is an operator.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "api/request.hpp"

namespace busbar::api {

// root and the daemon's own user are always operators.
struct OperatorRule {
  std::vector<std::string> users;
  std::vector<std::string> groups;
};

// Thread-safe; what the system said is kept for a minute.
class People {
 public:
  explicit People(OperatorRule rule) : rule_(std::move(rule)) {}

  UserRef by_uid(std::uint32_t uid, std::uint32_t gid_otherwise);
  void replace(OperatorRule rule);

 private:
  struct Known {
    UserRef user;
    std::chrono::steady_clock::time_point until;
  };
  UserRef look_up(std::uint32_t uid, std::uint32_t gid_otherwise) const;

  std::mutex lock_;
  OperatorRule rule_;
  std::map<std::uint32_t, Known> known_;
};

}  // namespace busbar::api
