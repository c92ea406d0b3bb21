// GET and POST /v1/tokens, DELETE /v1/tokens/{id}.
#include <algorithm>

#include "api/answers.hpp"
#include "api/handlers.hpp"
#include "api/tokens.hpp"
#include "base/text.hpp"

namespace busbar::api {
namespace {

constexpr std::int64_t kept_usually_ms = std::int64_t{90} * 24 * 3600 * 1000;

struct TokenView {
  TokenFacts facts;
};
template <class V>
void describe(V& visit, Like<TokenView> auto& view) {
  const auto moment = [](std::int64_t unix_ms) {
    return unix_ms == 0 ? std::optional<Moment>() : Moment{unix_ms};
  };
  visit("id", view.facts.id);
  visit("user", view.facts.user);
  visit("made", moment(view.facts.made_unix_ms));
  visit("by", view.facts.by);
  visit("expires", moment(view.facts.expires_unix_ms));
  visit("read_only", view.facts.read_only);
}

struct TokenList {
  std::vector<TokenView> tokens;
};
template <class V>
void describe(V& visit, Like<TokenList> auto& list) {
  visit("tokens", list.tokens);
}

struct MadeToken {
  TokenView view;
  std::string token;
};
template <class V>
void describe(V& visit, Like<MadeToken> auto& made) {
  describe(visit, made.view);
  visit("token", made.token);
}

struct RevokedToken {
  std::string message;
};
template <class V>
void describe(V& visit, Like<RevokedToken> auto& revoked) {
  visit("message", revoked.message);
}

Error only_for_others(std::string_view what) {
  return {Errc::denied, "only an operator may " + std::string(what) + " tokens of others"};
}

// "30d" means "+30d" here: a token lasts from now on.
Result<std::int64_t> read_expiry(const std::string& text, std::int64_t now) {
  const auto moment = parse_moment(parse_span(text).ok() ? "+" + text : text, now);
  if (moment.ok() && *moment > now) return *moment;
  return {Errc::invalid, "expires: '" + printable(text) +
                             "' is no time ahead; write how long, such as 30d, a moment such as "
                             "2030-01-31T08:00:00Z, or never"};
}

Result<TokenFacts> read_wish(const Call& call, std::int64_t now) {
  static constexpr std::string_view allowed[] = {"user", "expires", "read_only"};
  BUSBAR_TRY(fields, parse_body(call.request, allowed));
  TokenFacts facts;
  facts.user = call.caller.user.name;
  facts.uid = call.caller.user.uid;
  facts.by = call.caller.user.name;
  if (const BodyField* user = find_field(fields, "user"); user && user->text != facts.user) {
    if (!call.caller.user.is_operator) return only_for_others("make");
    const auto uid = uid_of_user(user->text);
    if (!uid)
      return {Errc::not_found, "there is no user '" + printable(user->text) + "' on this machine"};
    // An operator acts for others, but does not become root by it.
    if (*uid == 0 && call.caller.user.uid != 0)
      return {Errc::denied, "only root may make a token of root"};
    facts.user = user->text;
    facts.uid = *uid;
  }
  facts.expires_unix_ms = now + kept_usually_ms;
  if (const BodyField* expires = find_field(fields, "expires")) {
    facts.expires_unix_ms = 0;
    if (expires->text != "never") {
      BUSBAR_TRY(moment, read_expiry(expires->text, now));
      facts.expires_unix_ms = moment;
    }
  }
  if (const BodyField* read_only = find_field(fields, "read_only")) {
    if (read_only->text != "true" && read_only->text != "false")
      return {Errc::invalid, "read_only: must be true or false"};
    facts.read_only = read_only->text == "true";
  }
  return facts;
}

bool may_act_on(const Caller& caller, const TokenFacts& facts) {
  return caller.user.is_operator || caller.user.uid == facts.uid;
}

}  // namespace

Outcome make_token(const Call& call) {
  // Who has stolen a token must not make himself another.
  if (!call.caller.local)
    return error_response(Error{Errc::denied,
                                "tokens are made on the machine of the daemon only, through its "
                                "Unix socket; log in there, or ask an operator"});
  const std::int64_t now = call.backend.unix_ms(call.backend.now());
  BUSBAR_API_TRY(facts, read_wish(call, now));
  BUSBAR_API_TRY(token, call.backend.tokens().make(facts, now));
  Response response = json_response(MadeToken{{facts}, token}, 201);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

Outcome list_tokens(const Call& call) {
  const std::int64_t now = call.backend.unix_ms(call.backend.now());
  TokenList list;
  for (TokenFacts& facts : call.backend.tokens().list()) {
    if (may_act_on(call.caller, facts) && !facts.expired(now))
      list.tokens.push_back({std::move(facts)});
  }
  return json_response(list);
}

Outcome revoke_token(const Call& call) {
  const std::string& id = call.parameter("id");
  for (const TokenFacts& facts : call.backend.tokens().list()) {
    if (facts.id == id && !may_act_on(call.caller, facts))
      return error_response(only_for_others("revoke"));
  }
  const auto revoked = call.backend.tokens().revoke(id);
  if (!revoked.ok()) return error_response(revoked.error());
  return json_response(RevokedToken{"token " + printable(id) + " revoked"});
}

}  // namespace busbar::api
