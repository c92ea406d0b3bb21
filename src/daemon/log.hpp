// The daemon's own log: one line per happening, on standard error or in a file. Never holds a
// token, a job's environment or its output.
#pragma once

#include <string>

namespace busbar::daemon {

// `file` "" is standard error; `level` debug, info, warning or error.
void open_log(const std::string& file, const std::string& level);
void set_log_level(const std::string& level);
void log_debug(const std::string& text);
void log_info(const std::string& text);
void log_warning(const std::string& text);
void log_error(const std::string& text);
void close_log();

}  // namespace busbar::daemon
