#include "model/event.hpp"

#include <array>
#include <utility>

#include "model/json.hpp"
#include "model/written.hpp"

namespace busbar {
namespace {

// Raised when the meaning of a stored field changes; the decoder then lifts older versions.
constexpr std::uint64_t event_version = 1;

template <std::size_t... I>
bool read_body(BinaryReader& reader, std::size_t kind, EventBody& body, std::index_sequence<I...>) {
  return (... || (kind == I && (reader.read(body.emplace<I>()), true)));
}

}  // namespace

std::string encode_event(const Event& event) {
  BinaryWriter writer;
  writer.encoder().put_unsigned(event_version);
  writer.encoder().put_unsigned(event.revision.value);
  writer.encoder().put_signed(event.tick.value);
  writer.encoder().put_unsigned(event.body.index());
  std::visit([&](const auto& body) { writer.write(body); }, event.body);
  return writer.take();
}

Result<Event> decode_event(std::string_view bytes) {
  BinaryReader reader{Decoder(bytes)};
  Event event;
  const std::uint64_t version = reader.decoder().get_unsigned();
  event.revision = Revision(reader.decoder().get_unsigned());
  event.tick = Tick(reader.decoder().get_signed());
  const std::uint64_t kind = reader.decoder().get_unsigned();
  if (!reader.ok()) return {Errc::corrupt, "a stored event is cut short"};
  if (version == 0 || version > event_version)
    return {Errc::corrupt, "a stored event was written by a newer Busbar; run that version"};
  if (!read_body(reader, kind, event.body,
                 std::make_index_sequence<std::variant_size_v<EventBody>>{}))
    return {Errc::corrupt, "a stored event is of a kind this Busbar does not know"};
  if (!reader.ok() || !reader.decoder().at_end())
    return {Errc::corrupt, "a stored event cannot be read"};
  return event;
}

std::string event_json(const Event& event) {
  nlohmann::ordered_json out;
  out["revision"] = event.revision.value;
  out["tick"] = event.tick.value;
  out["kind"] = std::string(event_words[event.body.index()]);
  std::visit([&](const auto& body) { out["event"] = JsonWriter::of(body); }, event.body);
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace busbar
