#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/text.hpp"
#include "model/event.hpp"
#include "model/job.hpp"
#include "model/node.hpp"
#include "model/payload.hpp"
#include "model/written.hpp"

namespace busbar {
namespace {

// Whether `word` equals `text` or is a whole word of it, case ignored.
bool has_word(std::string_view text, std::string_view word) {
  const std::string haystack = lower(text);
  const std::string needle = lower(word);
  if (needle.empty() || haystack == needle) return true;
  const auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  for (std::size_t at = haystack.find(needle); at != std::string::npos;
       at = haystack.find(needle, at + 1)) {
    const std::size_t end = at + needle.size();
    if ((at == 0 || !is_word(haystack[at - 1])) &&
        (end == haystack.size() || !is_word(haystack[end])))
      return true;
  }
  return false;
}

}  // namespace

std::uint32_t array_index(const TaskGroup& group, std::uint32_t index) {
  std::uint32_t left = index;
  for (const auto& range : group.array) {
    const std::uint32_t size = (range.last - range.first) / range.step + 1;
    if (left < size) return range.first + left * range.step;
    left -= size;
  }
  return index;
}

bool device_matches(const DeviceRequest& request, const Device& device) {
  if (device.health == DeviceHealth::failed) return false;
  if (device.memory < request.memory_min_bytes) return false;
  return request.model.empty() || lower(request.model) == device.vendor ||
         has_word(device.model, request.model);
}

bool features_match(const List<FeatureClause>& constraint,
                    const std::vector<std::string>& features) {
  if (constraint.empty()) return true;
  const auto holds = [&](const std::string& term) {
    const bool negated = !term.empty() && term.front() == '!';
    const std::string_view name = std::string_view(term).substr(negated ? 1 : 0);
    return negated != (std::find(features.begin(), features.end(), name) != features.end());
  };
  return std::any_of(constraint.begin(), constraint.end(), [&](const FeatureClause& clause) {
    return std::all_of(clause.terms.begin(), clause.terms.end(), holds);
  });
}

PayloadBlob encode_payload(const Payload& payload) {
  PayloadBlob blob;
  blob.bytes = encode(payload);
  const XXH128_hash_t hash = XXH3_128bits(blob.bytes.data(), blob.bytes.size());
  blob.hash = {hash.high64, hash.low64};
  return blob;
}

Result<Payload> decode_payload(std::string_view bytes) {
  Payload payload;
  if (!decode(bytes, payload)) return {Errc::corrupt, "a stored payload cannot be read"};
  return payload;
}

}  // namespace busbar
