// jobfile_check FILE...      reads job files: "FILE: ok" or the error; exits 1 if one was refused
// jobfile_check --tree FILE  its documents as one JSON list, scalars by the rules of YAML 1.2
// jobfile_check --jobs FILE  what the reader made of it, as JSON
// jobfile_check --schema     what docs/job.schema.json must hold
// jobfile_check --tables     what stands between the marks of docs/job-file.md

#include <fstream>
#include <iostream>
#include <regex>
#include <sstream>

#include "jobfile/fields.hpp"
#include "jobfile/job_file.hpp"
#include "jobfile/strict_yaml.hpp"
#include "model/json.hpp"

namespace {

using Json = nlohmann::ordered_json;
using busbar::jobfile::yaml::Kind;
using busbar::jobfile::yaml::Value;

// 2026-11-01 00:00 UTC, so that dates in the corpus neither pass nor become odd.
constexpr std::int64_t now_unix_ms = 1'793'491'200'000;

Json scalar(const Value& value) {
  static const std::regex integer("[-+]?[0-9]+"),
      real("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?");
  if (value.quoted) return value.text;
  if (value.text == "true" || value.text == "false") return value.text == "true";
  if (value.text.size() < 18 && std::regex_match(value.text, integer))
    return std::stoll(value.text);
  if (value.text.size() < 18 && std::regex_match(value.text, real)) return std::stod(value.text);
  return value.text;
}

Json tree(const Value& value) {
  switch (value.kind) {
    case Kind::null:
      return nullptr;
    case Kind::text:
      return scalar(value);
    case Kind::list: {
      Json out = Json::array();
      for (const Value& item : value.items) out.push_back(tree(item));
      return out;
    }
    case Kind::map: {
      Json out = Json::object();
      for (const Value& item : value.items) out[item.key] = tree(item);
      return out;
    }
  }
  return nullptr;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

int print_tree(const std::string& path) {
  const auto documents = busbar::jobfile::yaml::read_documents(read_file(path), path);
  if (!documents) return std::cout << documents.error().text << "\n", 1;
  Json out = Json::array();
  for (const Value& document : *documents) out.push_back(tree(document));
  std::cout << out.dump() << "\n";
  return 0;
}

int check(const std::string& path, bool print_jobs) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const auto submission =
      busbar::jobfile::read_job_file(read_file(path), {name, "/submit", now_unix_ms});
  if (!submission) return std::cout << submission.error().text << "\n", 1;
  for (const std::string& warning : submission->warnings)
    std::cout << "warning: " << warning << "\n";
  if (print_jobs) {
    std::cout << busbar::JsonWriter::of(submission->jobs).dump(2) << "\n";
  } else {
    std::cout << name << ": ok\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) return std::cerr << "usage: jobfile_check [--tree|--jobs] FILE...\n", 2;
  if (words[0] == "--schema") return std::cout << busbar::jobfile::json_schema(), 0;
  if (words[0] == "--tables") return std::cout << busbar::jobfile::markdown_tables(), 0;
  int code = 0;
  for (std::size_t i = words[0].starts_with("--") ? 1 : 0; i < words.size(); ++i) {
    const int one =
        words[0] == "--tree" ? print_tree(words[i]) : check(words[i], words[0] == "--jobs");
    code = std::max(code, one);
  }
  return code;
}
