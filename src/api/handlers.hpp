// One handler per operation of docs/openapi.json: a function from a Call to what is to be done.
// The table of routes is in routes.cpp.
#pragma once

#include "api/request.hpp"

namespace busbar::api {

Outcome submit_jobs(const Call& call);
Outcome plan_jobs(const Call& call);

Outcome list_jobs(const Call& call);
Outcome show_job(const Call& call);
Outcome update_job(const Call& call);
Outcome cancel_job(const Call& call);
Outcome hold_job(const Call& call);
Outcome release_job(const Call& call);
Outcome requeue_job(const Call& call);
Outcome explain_job(const Call& call);
Outcome wait_job(const Call& call);
Outcome list_units(const Call& call);

Outcome report_progress(const Call& call);
Outcome show_unit(const Call& call);
Outcome read_log(const Call& call);

Outcome list_nodes(const Call& call);
Outcome show_node(const Call& call);
Outcome drain_node(const Call& call);
Outcome resume_node(const Call& call);
Outcome fence_node(const Call& call);

Outcome list_reservations(const Call& call);
Outcome make_reservation(const Call& call);
Outcome end_reservation(const Call& call);

Outcome list_tenants(const Call& call);
Outcome list_history(const Call& call);
Outcome stream_events(const Call& call);

Outcome make_token(const Call& call);
Outcome list_tokens(const Call& call);
Outcome revoke_token(const Call& call);

Outcome show_status(const Call& call);
Outcome show_config(const Call& call);
Outcome reload_config(const Call& call);
Outcome list_sighted(const Call& call);
Outcome adopt_sighted(const Call& call);
Outcome accept_clock(const Call& call);
Outcome ignore_clock(const Call& call);
Outcome show_openapi(const Call& call);
Outcome show_metrics(const Call& call);
Outcome show_health(const Call& call);

}  // namespace busbar::api
