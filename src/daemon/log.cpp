#include "daemon/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace busbar::daemon {

void open_log(const std::string& file, const std::string& level) {
  try {
    auto logger = file.empty() ? spdlog::stderr_logger_mt("busbard")
                               : spdlog::basic_logger_mt("busbard", file);
    spdlog::set_default_logger(logger);
  } catch (const spdlog::spdlog_ex&) {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("busbard-stderr"));
    spdlog::warn("the log file {} cannot be written; logging to standard error", file);
  }
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::flush_on(spdlog::level::info);
  set_log_level(level);
}

void set_log_level(const std::string& level) {
  spdlog::set_level(spdlog::level::from_str(level == "error" ? "err" : level));
}

void log_debug(const std::string& text) { spdlog::debug("{}", text); }
void log_info(const std::string& text) { spdlog::info("{}", text); }
void log_warning(const std::string& text) { spdlog::warn("{}", text); }
void log_error(const std::string& text) { spdlog::error("{}", text); }
void close_log() { spdlog::shutdown(); }

}  // namespace busbar::daemon
