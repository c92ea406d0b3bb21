# The allowed arrows: which library may depend on which. The build checks every DEPS against this
# table, and tools/tidy checks every #include. A change here is a change of the architecture: it
# needs a decision record in docs/decisions/.

set(busbar_libraries base model match core ports ring store host shim pty engine_local jobfile
                     sim api daemon cli lab)

set(arrows_base)
set(arrows_model base)
set(arrows_match base model)
set(arrows_core base model match)
set(arrows_ports base model)
set(arrows_ring base model match core ports)
set(arrows_store base model ports)
set(arrows_host base)
set(arrows_shim base)
set(arrows_pty base)
set(arrows_engine_local base model ports)
set(arrows_jobfile base model)
set(arrows_sim base model match core ports ring jobfile)
set(arrows_api base model match core ports jobfile)
set(arrows_daemon base model match core ports ring store host shim engine_local jobfile sim api)
set(arrows_cli base host pty)
set(arrows_lab base model match core ports ring store jobfile sim)

# Single headers that may be included across an arrow that does not exist.
set(arrows_header_engine_local shim/protocol.hpp)
