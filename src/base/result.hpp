// Errors are values. A Result<T> holds a T or an Error; an Error is a code that says how to react
// and a sentence that tells the user what was wrong, where, and what to do.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.hpp"

namespace busbar {

// One code per reaction of a caller; never one per cause.
enum class Errc {
  invalid,        // the request is wrong: correct it and send it again
  unsatisfiable,  // no waiting can help: ask for something else
  conflict,       // the state moved or the name is taken: read again, then decide
  not_found,      // there is no such thing: look at the list
  denied,         // not allowed for this user: ask an operator
  unavailable,    // not now: try again later
  corrupt,        // what was stored is damaged: stop and restore
};

std::string_view to_string(Errc code);

struct Error {
  Errc code = Errc::invalid;
  std::string text;
};

// The value of a Result that carries nothing but success.
struct Ok {};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}
  Result(Errc code, std::string text)
      : content_(std::in_place_index<1>, Error{code, std::move(text)}) {}

  bool ok() const { return content_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Reading the side that is not there is our own bug and stops the process.
  T& value() & { return check(ok(), "value() of a failed Result"), std::get<0>(content_); }
  const T& value() const& {
    return check(ok(), "value() of a failed Result"), std::get<0>(content_);
  }
  T&& value() && {
    return check(ok(), "value() of a failed Result"), std::get<0>(std::move(content_));
  }
  const Error& error() const& {
    return check(!ok(), "error() of a good Result"), std::get<1>(content_);
  }
  Error&& error() && {
    return check(!ok(), "error() of a good Result"), std::get<1>(std::move(content_));
  }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> content_;
};

// Returns the error of `expression` from the calling function, or binds its value to `name`.
#define BUSBAR_TRY_CONCAT2(a, b) a##b
#define BUSBAR_TRY_CONCAT(a, b) BUSBAR_TRY_CONCAT2(a, b)
#define BUSBAR_TRY(name, expression)                                \
  auto BUSBAR_TRY_CONCAT(result_, __LINE__) = (expression);         \
  if (!BUSBAR_TRY_CONCAT(result_, __LINE__).ok())                   \
    return std::move(BUSBAR_TRY_CONCAT(result_, __LINE__)).error(); \
  auto name = std::move(BUSBAR_TRY_CONCAT(result_, __LINE__)).value()

// The same for an expression whose value is not needed.
#define BUSBAR_TRY_OK(expression)                                     \
  do {                                                                \
    auto busbar_result = (expression);                                \
    if (!busbar_result.ok()) return std::move(busbar_result).error(); \
  } while (false)

}  // namespace busbar
