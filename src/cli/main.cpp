#include "cli/commands.hpp"

int main(int count, char** words) { return busbar::cli::main_of(count, words); }
