// Where the programs and the state of Busbar lie on this machine.
#pragma once

#include <string>

namespace busbar::host {

// The program of that name beside this one; where there is none, the bare name, for PATH.
std::string program_beside(const std::string& name);

// The folder of state when nobody says: $BUSBAR_STATE, /var/lib/busbar for root,
// $XDG_STATE_HOME/busbar, ~/.local/state/busbar.
std::string default_state_directory();

}  // namespace busbar::host
