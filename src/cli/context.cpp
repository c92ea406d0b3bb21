#include "cli/context.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace busbar::cli {

void Context::out(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Context::note(std::string_view text) const {
  if (!quiet) fmt::print(stderr, "{}\n", text);
}

void Context::show(const Table& table, std::string_view when_empty) const {
  if (table.empty()) return note(when_empty);
  if (!quiet) out(table.text(screen));
}

int Context::fail(const Error& error) const {
  if (json) {
    const Json body = {
        {"error", {{"code", std::string(to_string(error.code))}, {"message", error.text}}}};
    fmt::print("{}\n", body.dump(2, ' ', false, Json::error_handler_t::replace));
  }
  fmt::print(stderr, "{} {}\n", screen.paint("busbar:", Colour::red), harmless(error.text));
  switch (error.code) {
    case Errc::unavailable:
      return client.answered() ? exit_refused : exit_unreachable;
    case Errc::corrupt:
      return exit_failed;
    default:
      return exit_refused;
  }
}

int Context::misuse(const std::string& sentence) const {
  fail({Errc::invalid, sentence});
  return exit_usage;
}

namespace {

Result<Json> parse(Result<Response> response) {
  if (!response.ok()) return std::move(response).error();
  Json body = Json::parse(response->body, nullptr, false);
  if (body.is_discarded())
    return {Errc::corrupt, "the daemon's answer is not JSON; is something else listening there?"};
  return body;
}

}  // namespace

Result<Json> Context::get(const std::string& path, const Query& query) const {
  return parse(client.get(path, query));
}

Result<Json> Context::post(const std::string& path, const Json& body, const Query& query) const {
  try {
    return parse(client.post(path, body.dump(), query));
  } catch (const Json::type_error&) {
    return Error{Errc::invalid,
                 "something that would be sent is not UTF-8 text: a name, a folder or a variable "
                 "of the environment; the cluster would see it changed"};
  }
}

std::string text_at(const Json& json, const char* field) {
  const auto found = json.find(field);
  return found != json.end() && found->is_string() ? harmless(found->get<std::string>()) : "";
}

std::string joined(const Json& list, const char* between) {
  std::string out;
  for (const auto& item : list)
    if (item.is_string()) out += (out.empty() ? "" : between) + harmless(item.get<std::string>());
  return out;
}

std::int64_t integer_at(const Json& json, const char* field, std::int64_t otherwise) {
  const auto found = json.find(field);
  return found != json.end() && found->is_number() ? found->get<std::int64_t>() : otherwise;
}

double number_at(const Json& json, const char* field, double otherwise) {
  const auto found = json.find(field);
  return found != json.end() && found->is_number() ? found->get<double>() : otherwise;
}

bool flag_at(const Json& json, const char* field) {
  const auto found = json.find(field);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

const Json& list_at(const Json& json, const char* field) {
  static const Json empty = Json::array();
  const auto found = json.find(field);
  return found != json.end() && found->is_array() ? *found : empty;
}

const Json& object_at(const Json& json, const char* field) {
  static const Json empty = Json::object();
  const auto found = json.find(field);
  return found != json.end() && found->is_object() ? *found : empty;
}

}  // namespace busbar::cli
