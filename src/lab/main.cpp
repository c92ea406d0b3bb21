#include <iostream>

#include "lab/journal_tool.hpp"

int main(int count, char** words) {
  std::ios::sync_with_stdio(false);
  return busbar::lab::run_lab(count, words, std::cout, std::cerr);
}
