#include "match/catalog.hpp"

#include <string>
#include <string_view>

#include "base/text.hpp"

namespace busbar::match {
namespace {

struct Entry {
  std::string_view words;  // of the model text, lower case, single spaces
  std::int64_t tflops_tenths;
};

// Dense FP16/BF16 matrix peak in tenths of TFLOPS, from the vendors' data sheets. Of several
// entries that match the first counts, so variants stand before the plain name.
constexpr Entry table[] = {
    {"gb200", 25000},   {"b200", 22500},     {"b100", 17500},     {"h100 pcie", 7560},
    {"h100 nvl", 8350}, {"h100", 9890},      {"h200", 9890},      {"gh200", 9890},
    {"h800", 9890},     {"h20", 1480},       {"a100", 3120},      {"a800", 3120},
    {"a40", 1497},      {"a30", 1650},       {"a10", 1250},       {"l40s", 3620},
    {"l40", 1810},      {"l4", 1210},        {"v100", 1250},      {"t4", 650},
    {"p100", 212},      {"rtx a6000", 1548}, {"rtx 4090", 1652},  {"rtx 3090", 712},
    {"mi355x", 25163},  {"mi350x", 23069},   {"mi325x", 13074},   {"mi300x", 13074},
    {"mi300a", 9806},   {"mi250x", 3830},    {"mi250", 3621},     {"mi210", 1810},
    {"mi100", 1846},    {"gaudi 3", 18350},  {"gaudi3", 18350},   {"gaudi 2", 4320},
    {"gaudi2", 4320},   {"max 1550", 8320},  {"910c", 7800},      {"910b", 3130},
    {"910", 2560},      {"ascend910", 2560}, {"310p", 700},       {"tpu v5p", 4590},
    {"tpu v5e", 1970},  {"tpu v4", 2750},    {"trainium2", 6670},
};
constexpr std::int64_t a100_tflops_tenths = 3120;

// Letters and digits kept in lower case, everything else one space; a space at both ends.
std::string words_of_model(std::string_view model) {
  std::string words = " ";
  for (const char c : lower(model)) {
    const bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_word)
      words += c;
    else if (words.back() != ' ')
      words += ' ';
  }
  if (words.back() != ' ') words += ' ';
  return words;
}

}  // namespace

std::int64_t device_weight(const Device& device) {
  const std::string words = words_of_model(device.model);
  for (const Entry& entry : table) {
    const std::string wanted = " " + std::string(entry.words) + " ";
    if (words.find(wanted) != std::string::npos)
      return (entry.tflops_tenths * 1000 + a100_tflops_tenths / 2) / a100_tflops_tenths;
  }
  return 1000;
}

}  // namespace busbar::match
