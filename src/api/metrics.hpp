// Numbers as Prometheus reads them.
#pragma once

#include <string>
#include <vector>

#include "api/backend.hpp"

namespace busbar::api {

// Metrics of one name must stand together: the first one's help is written.
std::string metrics_text(const std::vector<Metric>& metrics);

}  // namespace busbar::api
