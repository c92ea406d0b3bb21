// Node feature expressions: expr = all ('|' all)*, all = one ('&' one)*,
// one = '!' one | '(' expr ')' | feature. The result is the disjunctive normal form; the negation
// of an expression is pushed down by De Morgan while reading.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "jobfile/words.hpp"

namespace busbar::jobfile {
namespace {

constexpr std::size_t text_bytes_max = 1000;
constexpr std::size_t clauses_max = 64;
constexpr std::size_t terms_max = 32;
constexpr int depth_max = 32;
constexpr std::size_t steps_max = 512;  // clauses made while reading one expression

using Clause = std::vector<std::string>;  // sorted, no doubles
using Clauses = std::vector<Clause>;

bool is_feature_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_.:=/+-").find(c) != std::string_view::npos;
}

// Whether some feature is wanted both present and absent.
bool contradicts(const Clause& clause) {
  return std::any_of(clause.begin(), clause.end(), [&](const std::string& term) {
    return term.front() == '!' && std::binary_search(clause.begin(), clause.end(), term.substr(1));
  });
}

class ConstraintReader {
 public:
  explicit ConstraintReader(std::string_view text) : text_(text) {}

  Result<Clauses> read() {
    BUSBAR_TRY(clauses, expression(false, 0));
    skip_space();
    if (at_ < text_.size())
      return wrong(fmt::format("\"{}\"", printable(text_.substr(at_, 1))), "& or |");
    return clauses;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    if (c != '!' && c != '(' && at_ < text_.size() && text_[at_] == c && c != ')') ++at_;  // && ||
    return true;
  }
  Error wrong(std::string_view what, std::string_view wanted) const {
    return {Errc::invalid, fmt::format("found {} at character {} of \"{}\" where {} is needed",
                                       what, at_ + 1, printable(text_), wanted)};
  }

  Result<Clauses> join(const Clauses& a, const Clauses& b) const {
    Clauses out = a;
    out.insert(out.end(), b.begin(), b.end());
    return bounded(std::move(out));
  }
  Result<Clauses> cross(const Clauses& a, const Clauses& b) {
    steps_ += a.size() * b.size();
    if (steps_ > steps_max) return too_many();
    Clauses out;
    for (const Clause& x : a) {
      for (const Clause& y : b) {
        Clause both;
        std::set_union(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(both));
        if (!contradicts(both)) out.push_back(std::move(both));
      }
    }
    return bounded(std::move(out));
  }
  Result<Clauses> bounded(Clauses clauses) const {
    Clauses out;
    for (Clause& clause : clauses)
      if (std::find(out.begin(), out.end(), clause) == out.end()) out.push_back(std::move(clause));
    const bool long_one =
        std::any_of(out.begin(), out.end(), [](const Clause& c) { return c.size() > terms_max; });
    if (out.size() > clauses_max || long_one) return too_many();
    return out;
  }
  Error too_many() const {
    return {Errc::invalid,
            fmt::format("\"{}\" has too many combinations; at most {} alternatives of {} features "
                        "each are allowed",
                        printable(text_), clauses_max, terms_max)};
  }

  Result<Clauses> expression(bool negated, int depth) {
    BUSBAR_TRY(out, all(negated, depth));
    while (take('|')) {
      BUSBAR_TRY(right, all(negated, depth));
      BUSBAR_TRY(both, negated ? cross(out, right) : join(out, right));
      out = std::move(both);
    }
    return out;
  }
  Result<Clauses> all(bool negated, int depth) {
    BUSBAR_TRY(out, one(negated, depth));
    while (take('&')) {
      BUSBAR_TRY(right, one(negated, depth));
      BUSBAR_TRY(both, negated ? join(out, right) : cross(out, right));
      out = std::move(both);
    }
    return out;
  }
  Result<Clauses> one(bool negated, int depth) {
    if (depth > depth_max)
      return Error{Errc::invalid, fmt::format("\"{}\" is nested too deep; at most {} levels",
                                              printable(text_), depth_max)};
    if (take('!')) return one(!negated, depth + 1);
    if (take('(')) {
      BUSBAR_TRY(inner, expression(negated, depth + 1));
      if (!take(')')) return missing("\")\"");
      return inner;
    }
    skip_space();
    const std::size_t start = at_;
    while (at_ < text_.size() && is_feature_char(text_[at_])) ++at_;
    if (at_ == start) return missing("a feature's name");
    const std::string_view feature = text_.substr(start, at_ - start);
    if (feature.size() > 128)
      return Error{Errc::invalid,
                   fmt::format("\"{}\" is too long; a feature's name has at most 128 characters",
                               printable(feature, 40))};
    return Clauses{{(negated ? "!" : "") + std::string(feature)}};
  }
  Error missing(std::string_view wanted) const {
    if (at_ >= text_.size()) return wrong("the end", wanted);
    return wrong(fmt::format("\"{}\"", printable(text_.substr(at_, 1))), wanted);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t steps_ = 0;
};

}  // namespace

Result<List<FeatureClause>> parse_constraint(std::string_view text) {
  if (text.size() > text_bytes_max)
    return {Errc::invalid, fmt::format("{} characters are too many; at most {} are allowed",
                                       text.size(), text_bytes_max)};
  BUSBAR_TRY(clauses, ConstraintReader(text).read());
  if (clauses.empty())
    return {Errc::invalid,
            fmt::format("\"{}\" can never hold: it wants a feature both present and absent",
                        printable(text))};
  List<FeatureClause> out;
  for (Clause& clause : clauses) out.push_back({std::move(clause)});
  return out;
}

}  // namespace busbar::jobfile
