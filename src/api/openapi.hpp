// docs/openapi.json as it was when this was built.
#pragma once

#include <string_view>

namespace busbar::api {

std::string_view openapi_text();

}  // namespace busbar::api
