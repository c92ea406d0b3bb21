# busbar_build_info: `#include "busbar_build.hpp"` gives busbar::build_id and busbar::build_version.
# The id is rewritten at every build but touched only when it changes, and only one tiny source
# depends on its value.

set(busbar_generated ${PROJECT_BINARY_DIR}/generated)
file(CONFIGURE OUTPUT ${busbar_generated}/include/busbar_build.hpp @ONLY CONTENT
"// Which build this is: the git commit, plus a hash of the sources when they differ from it;
// the hash alone without git; \"unknown\" when there is neither.
#pragma once

namespace busbar {
extern const char build_id[];
extern const char build_version[];
}  // namespace busbar
")
add_custom_target(busbar_build_id
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
          -DOUTPUT=${busbar_generated}/busbar_build.cpp
          -P ${PROJECT_SOURCE_DIR}/cmake/build_id.cmake
  BYPRODUCTS ${busbar_generated}/busbar_build.cpp
  COMMENT "")
add_library(busbar_build_info STATIC ${busbar_generated}/busbar_build.cpp)
target_include_directories(busbar_build_info PUBLIC ${busbar_generated}/include)
add_dependencies(busbar_build_info busbar_build_id)
