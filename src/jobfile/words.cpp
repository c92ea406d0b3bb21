#include "jobfile/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <numeric>
#include <utility>

#include "base/text.hpp"
#include "base/units.hpp"

namespace busbar::jobfile {
namespace {

constexpr std::int64_t index_max = 1'000'000'000;
constexpr std::size_t ranges_max = 1000;
constexpr std::int64_t devices_max = 1024;

Error wrong(std::string_view text, std::string_view what, std::string_view allowed) {
  return {Errc::invalid, fmt::format("\"{}\" {}; {}", printable(text), what, allowed)};
}

constexpr std::string_view array_allowed = "write 1-100, 1,3,7-9, 0-100:5 or 1-100%10";

Result<std::int64_t> index_of(std::string_view text, std::string_view whole) {
  const auto value = parse_count(trim(text));
  if (!value) return wrong(whole, "is not an array", array_allowed);
  if (*value > index_max)
    return wrong(whole, "has an index that is too large",
                 fmt::format("the largest is {}", index_max));
  return *value;
}

Result<ArrayRange> parse_array_range(std::string_view part, std::string_view whole) {
  const std::size_t dash = part.find('-');
  BUSBAR_TRY(first, index_of(part.substr(0, dash), whole));
  std::int64_t last = first, step = 1;
  if (dash != std::string_view::npos) {
    std::string_view rest = part.substr(dash + 1);
    const std::size_t colon = rest.find(':');
    BUSBAR_TRY(end, index_of(rest.substr(0, colon), whole));
    last = end;
    if (colon != std::string_view::npos) {
      BUSBAR_TRY(stride, index_of(rest.substr(colon + 1), whole));
      step = stride;
    }
  }
  if (last < first)
    return wrong(whole, "runs downwards",
                 fmt::format("write the smaller index first, {}-{}", last, first));
  if (step == 0) return wrong(whole, "has a step of 0", "the smallest step is 1");
  return ArrayRange{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last),
                    static_cast<std::uint32_t>(step)};
}

std::int64_t size_of(const ArrayRange& range) {
  return (range.last - range.first) / range.step + 1;
}

// b with a * b = 1 modulo `modulus`; a and modulus have no common divisor.
std::int64_t inverse(std::int64_t a, std::int64_t modulus) {
  std::int64_t r = modulus, r_next = a % modulus, t = 0, t_next = 1;
  while (r_next != 0) {
    const std::int64_t quotient = r / r_next;
    r = std::exchange(r_next, r - quotient * r_next);
    t = std::exchange(t_next, t - quotient * t_next);
  }
  return t < 0 ? t + modulus : t;
}

// The smallest index of both ranges, by the Chinese remainder theorem. Indices and steps are at
// most 10^9, so every product fits.
std::optional<std::int64_t> common_index(const ArrayRange& x, const ArrayRange& y) {
  const std::int64_t gcd = std::gcd(std::int64_t{x.step}, std::int64_t{y.step});
  const std::int64_t apart = std::int64_t{y.first} - x.first;
  if (apart % gcd != 0) return std::nullopt;
  const std::int64_t modulus = y.step / gcd;
  const std::int64_t distance = (apart / gcd % modulus + modulus) % modulus;
  const std::int64_t steps = distance * inverse(x.step / gcd, modulus) % modulus;
  const std::int64_t period = x.step / gcd * y.step;
  std::int64_t at = x.first + steps * x.step;
  if (at < y.first) at += (y.first - at + period - 1) / period * period;
  if (at > x.last || at > y.last) return std::nullopt;
  return at;
}

// An index that stands in two ranges.
std::optional<std::int64_t> doubled_index(List<ArrayRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const ArrayRange& a, const ArrayRange& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < ranges.size(); ++i)
    for (std::size_t j = i + 1; j < ranges.size() && ranges[j].first <= ranges[i].last; ++j)
      if (const auto twice = common_index(ranges[i], ranges[j])) return twice;
  return std::nullopt;
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool only(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter_or_digit(c) || others.find(c) != std::string_view::npos;
  });
}

bool digits_only(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<std::string> device_model(std::string_view text, std::string_view whole) {
  const std::string_view model = trim(text);
  if (model.empty() || model.size() > 128 || !only(model, " ._+-/()"))
    return wrong(whole, "names no device",
                 "write a model or vendor such as H100 or nvidia, or any");
  return std::string(lower(model) == "any" ? "" : model);
}

struct SignalName {
  std::string_view name;
  std::int32_t number;
};
constexpr SignalName signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},     {"QUIT", SIGQUIT}, {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"BUS", SIGBUS},     {"FPE", SIGFPE},   {"KILL", SIGKILL}, {"USR1", SIGUSR1},
    {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},   {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"CHLD", SIGCHLD}, {"CONT", SIGCONT},   {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU}, {"URG", SIGURG},     {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"PROF", SIGPROF},
    {"IO", SIGIO},     {"WINCH", SIGWINCH}, {"SYS", SIGSYS},
};

}  // namespace

Result<ArrayText> parse_array(std::string_view text) {
  ArrayText out;
  std::string_view body = text;
  if (const std::size_t percent = text.find('%'); percent != std::string_view::npos) {
    body = text.substr(0, percent);
    const auto parallel = parse_count(trim(text.substr(percent + 1)));
    if (!parallel || *parallel == 0 || *parallel > units_max)
      return wrong(text, "has no limit after the %", "write one such as 1-100%10");
    out.parallel = static_cast<std::uint32_t>(*parallel);
  }
  if (digits_only(trim(body)))
    return wrong(text, "could mean one index or that many",
                 fmt::format("write 1-{} or {}-{}", trim(body), trim(body), trim(body)));
  std::int64_t count = 0;
  for (const std::string_view part : split(body, ',')) {
    BUSBAR_TRY(range, parse_array_range(part, text));
    out.ranges.push_back(range);
    count += size_of(range);
    if (count > units_max)
      return wrong(text, "has too many indices", fmt::format("at most {} are allowed", units_max));
    if (out.ranges.size() > ranges_max)
      return wrong(text, "has too many ranges", fmt::format("at most {} are allowed", ranges_max));
  }
  if (const auto twice = doubled_index(out.ranges))
    return wrong(text, fmt::format("has the index {} twice", *twice), "remove one of them");
  out.count = static_cast<std::uint32_t>(count);
  return out;
}

Result<CountRange> parse_tasks(std::string_view text) {
  const std::size_t dots = text.find("..");
  const auto min = parse_count(trim(text.substr(0, dots)));
  const auto max = dots == std::string_view::npos ? min : parse_count(trim(text.substr(dots + 2)));
  const bool negative = text.starts_with('-') && digits_only(text.substr(1));
  if (digits_only(text) && !min.ok())
    return wrong(text, "is out of range", fmt::format("write 1 to {} tasks", units_max));
  if (!min.ok() || !max.ok())
    return wrong(text, negative ? "is negative" : "is not a number of tasks",
                 "write one such as 4, or 4..16");
  if (*min < 1 || *max > units_max)
    return wrong(text, "is out of range", fmt::format("write 1 to {} tasks", units_max));
  if (*max < *min) return wrong(text, "runs downwards", fmt::format("write {}..{}", *max, *min));
  return CountRange{static_cast<std::uint32_t>(*min), static_cast<std::uint32_t>(*max)};
}

namespace {

// `amount`, the last word of `body`, is a number with a fraction.
Error not_whole(std::string_view text, std::string_view body, std::string_view amount) {
  const auto milli = parse_milli(amount);
  return wrong(text, "is not a whole number of devices",
               milli.ok() && *milli < 1000
                   ? fmt::format("for a part of one device write gpu: {}", body)
                   : std::string("write 1, 2 or more; only one device can be shared, by gpu: 0.5"));
}

}  // namespace

Result<DeviceRequest> parse_devices(std::string_view text) {
  DeviceRequest out;
  const std::string_view body = trim(text);
  const std::size_t colon = body.rfind(':');
  const std::string_view last =
      trim(colon == std::string_view::npos ? body : body.substr(colon + 1));
  out.count = 1;
  if (colon != std::string_view::npos || digits_only(last)) {
    const auto count = parse_count(last);
    if (!count && parse_milli(last).ok()) return not_whole(text, body, last);
    if (!count)
      return wrong(text, "is not a number of devices", "write 2, H100, H100:2, nvidia:1 or any:1");
    if (*count > devices_max)
      return wrong(text, "is more than a task can have",
                   fmt::format("at most {} devices are allowed", devices_max));
    out.count = static_cast<std::uint32_t>(*count);
    if (colon == std::string_view::npos) return out;
  } else if (parse_milli(last).ok()) {
    return not_whole(text, body, last);
  } else if (last.starts_with('-') && digits_only(last.substr(1))) {
    return wrong(text, "is negative", "write 2, H100, H100:2, nvidia:1 or any:1");
  }
  BUSBAR_TRY(model, device_model(body.substr(0, colon), text));
  out.model = std::move(model);
  return out;
}

Result<MilliDevices> parse_share(std::string_view text) {
  const auto share = parse_milli(trim(text));
  if (!share)
    return wrong(text, "is not a part of a device",
                 "write a number up to 1 with at most three decimals, such as 0.25");
  if (*share < 1 || *share > 1000)
    return wrong(text, "is not a part of one device",
                 "write more than 0 and at most 1; whole devices are gpus: 2");
  return MilliDevices(*share);
}

Result<DeviceRequest> parse_device_share(std::string_view text) {
  DeviceRequest out;
  const std::size_t colon = text.rfind(':');
  const std::string_view last = colon == std::string_view::npos ? text : text.substr(colon + 1);
  BUSBAR_TRY(share, parse_share(last));
  out.count = 1;
  out.share = share;
  if (colon == std::string_view::npos) return out;
  BUSBAR_TRY(model, device_model(text.substr(0, colon), text));
  out.model = std::move(model);
  return out;
}

Result<std::int32_t> parse_signal(std::string_view text) {
  if (digits_only(text)) {
    const auto number = parse_count(text);
    if (number && *number >= 1 && *number <= 64) return static_cast<std::int32_t>(*number);
    return wrong(text, "is no signal", "signals are 1 to 64");
  }
  std::string name = lower(text);
  if (name.starts_with("sig")) name.erase(0, 3);
  std::vector<std::string_view> names;
  for (const SignalName& signal : signals) {
    if (lower(signal.name) == name) return signal.number;
    names.push_back(signal.name);
  }
  const std::string_view near = nearest(name, names);
  return wrong(text, "is no signal",
               near.empty() ? "write a name such as TERM or USR1, or a number"
                            : fmt::format("did you mean \"{}\"?", near));
}

Result<Ok> check_job_name(std::string_view text) {
  const bool good = std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-' ||
           static_cast<unsigned char>(c) >= 0x80;
  });
  if (text.empty() || text.size() > 128)
    return wrong(text, "is not a name", "write 1 to 128 characters");
  if (digits_only(text))
    return wrong(text, "would be taken for a job's number", fmt::format("write job-{}", text));
  if (!good || text.front() == '-' || text.front() == '.')
    return wrong(text, "is not a name",
                 "use letters, digits, \".\", \"_\" and \"-\", beginning with a letter or digit");
  return Ok{};
}

Result<Ok> check_group_name(std::string_view text) {
  const bool letter = !text.empty() && is_letter_or_digit(text.front()) && !digits_only(text);
  if (!letter || text.size() > 32 || !only(text, "_-"))
    return wrong(text, "is not a group's name",
                 "use at most 32 letters, digits, \"_\" and \"-\", not digits alone");
  return Ok{};
}

Result<Ok> check_word(std::string_view text, std::string_view what) {
  if (text.empty() || text.size() > 128 || !only(text, "._/-") || !is_letter_or_digit(text.front()))
    return wrong(text, fmt::format("is not {}", what),
                 "use at most 128 letters, digits, \".\", \"_\", \"/\" and \"-\", beginning with a "
                 "letter or digit");
  return Ok{};
}

Result<Ok> check_variable_name(std::string_view text) {
  const bool digit = !text.empty() && text.front() >= '0' && text.front() <= '9';
  if (text.empty() || text.size() > 256 || digit || !only(text, "_"))
    return wrong(text, "is not a variable's name",
                 "use letters, digits and \"_\", not beginning with a digit");
  if (text.starts_with("BUSBAR_"))
    return wrong(text, "is set by Busbar itself", "choose a name without BUSBAR_");
  return Ok{};
}

Result<Ok> check_pattern(std::string_view text, std::string_view letters) {
  if (text.empty() || text.size() > 4096)
    return {Errc::invalid, fmt::format("a path of {} bytes; write 1 to 4096", text.size())};
  if (text.starts_with('~'))
    return wrong(text, "begins with ~, which is not expanded",
                 "write an absolute path, or one relative to the working directory");
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    ++i;
    if (i < text.size() && (text[i] == '%' || letters.find(text[i]) != std::string_view::npos))
      continue;
    std::string allowed;
    for (const char letter : letters) allowed += fmt::format("%{}, ", letter);
    return wrong(text, fmt::format("holds \"{}\"", printable(text.substr(i - 1, 2))),
                 fmt::format("allowed are {}and %% for a percent sign", allowed));
  }
  return Ok{};
}

}  // namespace busbar::jobfile
