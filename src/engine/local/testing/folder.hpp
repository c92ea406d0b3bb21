// A folder of one test's own, gone with it. Other users may look into it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace busbar::local {

struct Folder {
  std::string path;

  Folder() {
    std::string name = "/tmp/busbar-engine-XXXXXX";
    path = mkdtemp(name.data());
    std::filesystem::permissions(path, std::filesystem::perms(0755));
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }

  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path + "/" + file).parent_path());
    std::ofstream(path + "/" + file) << text;
  }
};

}  // namespace busbar::local
