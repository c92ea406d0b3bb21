#include "base/list.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/boxed.hpp"
#include "base/rng.hpp"

namespace busbar {
namespace {

// Long enough to own memory of its own, so that a copy that is not one is seen.
std::string word(Rng& rng) { return std::string(20, 'w') + std::to_string(rng.below(10)); }

TEST(List, TakesOneWordWhileEmpty) {
  EXPECT_EQ(sizeof(List<std::string>), sizeof(void*));
  EXPECT_TRUE(List<int>().empty());
  EXPECT_EQ(List<int>(), List<int>{});
}

// Whatever is done to a list and to a vector, they hold the same.
TEST(List, IsAVector) {
  Rng rng(7);
  List<std::string> list;
  std::vector<std::string> vector;
  for (int step = 0; step < 20'000; ++step) {
    const std::string one = word(rng);
    const auto at = static_cast<std::ptrdiff_t>(rng.below(vector.size() + 1));
    const auto past = at + static_cast<std::ptrdiff_t>(rng.below(vector.size() - at + 1));
    switch (rng.below(12)) {
      case 0:
      case 1:
        list.push_back(one), vector.push_back(one);
        break;
      case 2:
        if (!vector.empty()) list.push_back(list.front()), vector.push_back(vector.front());
        break;
      case 3:
        list.insert(list.begin() + at, one), vector.insert(vector.begin() + at, one);
        break;
      case 4: {
        const std::vector<std::string> some(rng.below(4), one);
        list.insert(list.begin() + at, some.begin(), some.end());
        vector.insert(vector.begin() + at, some.begin(), some.end());
        break;
      }
      case 5:
        list.erase(list.begin() + at, list.begin() + past);
        vector.erase(vector.begin() + at, vector.begin() + past);
        break;
      case 6:
        if (!vector.empty()) list.pop_back(), vector.pop_back();
        break;
      case 7:
        list.resize(static_cast<std::size_t>(at)), vector.resize(static_cast<std::size_t>(at));
        break;
      case 8:
        list.reserve(static_cast<std::size_t>(past)), list = List<std::string>(list);
        break;
      case 9: {
        List<std::string> other = std::move(list);
        EXPECT_TRUE(list.empty());
        list = std::move(other);
        break;
      }
      case 10:
        if (vector.size() > 20) list.clear(), vector.clear();
        break;
      default:
        if (!vector.empty()) list.back() = one, vector.back() = one;
    }
    ASSERT_EQ(std::vector<std::string>(list.begin(), list.end()), vector) << "step " << step;
  }
}

TEST(List, IsEqualByItsItems) {
  const List<int> a = {1, 2, 3};
  EXPECT_EQ(a, (List<int>{1, 2, 3}));
  EXPECT_NE(a, (List<int>{1, 2}));
  EXPECT_NE(a, (List<int>{1, 2, 4}));
}

struct Rule {
  int max = 3;
  std::string name;
  friend bool operator==(const Rule&, const Rule&) = default;
};

TEST(Boxed, IsAsItWasMadeUntilEdited) {
  Boxed<Rule> rule;
  EXPECT_EQ(sizeof rule, sizeof(void*));
  EXPECT_EQ(rule->max, 3);
  Boxed<Rule> other = rule;
  other.edit().max = 4;
  EXPECT_EQ(rule->max, 3) << "a copy is deep";
  EXPECT_EQ(other->max, 4);
  EXPECT_NE(rule, other);
  rule = other;
  other.edit().max = 3;
  EXPECT_EQ(rule->max, 4);
  EXPECT_EQ(other, Boxed<Rule>()) << "compared by value";
}

}  // namespace
}  // namespace busbar
