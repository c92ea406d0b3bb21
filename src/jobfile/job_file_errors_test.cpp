// What a wrong job file is told, sentence by sentence: place, field, what was found, the remedy.

#include <gtest/gtest.h>

#include "jobfile/job_file.hpp"

namespace busbar::jobfile {
namespace {

struct Row {
  std::string_view text;  // "run: x" follows
  std::string_view error;
};

constexpr Row rows[] = {
    {"gpus: h100:two",
     "a.yaml:1:7: gpus: \"h100:two\" is not a number of devices; write 2, H100, H100:2, nvidia:1 "
     "or any:1"},
    {"gpus: -1", "a.yaml:1:7: gpus: \"-1\" is negative; write 2, H100, H100:2, nvidia:1 or any:1"},
    {"gpus: 0.5",
     "a.yaml:1:7: gpus: \"0.5\" is not a whole number of devices; for a part of one device write "
     "gpu: 0.5"},
    {"gpus: 2000",
     "a.yaml:1:7: gpus: \"2000\" is more than a task can have; at most 1024 devices are allowed"},
    {"gpus: [1, [2]]",
     "a.yaml:1:11: gpus[1]: found a list; write 2, H100, H100:2, nvidia:1, any:1 or a map"},
    {"gpus: {modle: H100}", "a.yaml:1:8: gpus: unknown field \"modle\"; did you mean \"model\"?"},
    {"gpus: {count: 2, share: 0.5}",
     "a.yaml:1:25: gpus.share: share is a part of one device; remove count"},
    {"gpus: \"a;b:1\"",
     "a.yaml:1:7: gpus: \"a;b:1\" names no device; write a model or vendor such as H100 or nvidia, "
     "or any"},
    {"gpu: 2",
     "a.yaml:1:6: gpu: \"2\" is not a part of one device; write more than 0 and at most 1; whole "
     "devices are gpus: 2"},
    {"gpu: 0",
     "a.yaml:1:6: gpu: \"0\" is not a part of one device; write more than 0 and at most 1; whole "
     "devices are gpus: 2"},
    {"gpu: 0.0001",
     "a.yaml:1:6: gpu: \"0.0001\" is not a part of a device; write a number up to 1 with at most "
     "three decimals, such as 0.25"},
    {"gpu: 0.5\ngpus: 1",
     "a.yaml:1:6: gpu: gpus and gpu cannot stand together; gpus are whole devices, gpu is a part "
     "of one"},
    {"memory: 64 X",
     "a.yaml:1:9: memory: \"64 X\" is not a size; write a number with an optional unit k, M, G or "
     "T, such as 512M, 64G or 1.5T"},
    {"memory: -1G", "a.yaml:1:9: memory: \"-1G\" is negative; write a size such as 64G"},
    {"memory: 99999999999999999999G",
     "a.yaml:1:9: memory: \"99999999999999999999G\" is not a size Busbar can hold; write something "
     "smaller"},
    {"memory: 9000P",
     "a.yaml:1:9: memory: \"9000P\" is not a size Busbar can hold; write something smaller"},
    {"memory: 0", "a.yaml:1:9: memory: 0 is too small; leave the field out to ask for none"},
    {"memory: 64", "a.yaml:1:9: memory: 64 bytes; did you mean 64M?"},
    {"memory: 2048", "a.yaml:1:9: memory: 2048 bytes; did you mean 2048M?"},
    {"memory: 100k", "a.yaml:1:9: memory: 100k is too small; write at least 1M"},
    {"memory: [1]", "a.yaml:1:9: memory: found a list; write a size such as 64G"},
    {"memory:", "a.yaml:1:1: memory: this field is empty; write a value or remove it"},
    {"cores: 0", "a.yaml:1:8: cores: 0 is out of range; write more than 0 and at most 1000000"},
    {"cores: -2", "a.yaml:1:8: cores: \"-2\" is negative; write a number such as 2 or 0.5"},
    {"cores: 0.0001",
     "a.yaml:1:8: cores: \"0.0001\" is not a number of at most three decimals; write thousandths "
     "at the finest, such as 0.125"},
    {"cores: 1e9",
     "a.yaml:1:8: cores: \"1e9\" is not a number; write a plain number such as 2 or 0.5"},
    {"cores: 99999999999",
     "a.yaml:1:8: cores: 99999999999 is out of range; write more than 0 and at most 1000000"},
    {"scratch: lots",
     "a.yaml:1:10: scratch: \"lots\" is not a size; write a number with an optional unit k, M, G "
     "or T, such as 512M, 64G or 1.5T"},
    {"ports: 65", "a.yaml:1:8: ports: 65 is out of range; write a whole number from 0 to 64"},
    {"ports: -1", "a.yaml:1:8: ports: -1 is out of range; write a whole number from 0 to 64"},
    {"resources: [a]",
     "a.yaml:1:12: resources: found a list; write a map of at most 64 names and whole numbers, "
     "such as {matlab: 1}"},
    {"resources: {gpus: 2}",
     "a.yaml:1:13: resources.gpus: gpus is a field of its own; write it beside resources"},
    {"resources: {\"a b\": 2}",
     "a.yaml:1:13: resources.a b: \"a b\" is not a resource's name; use at most 128 letters, "
     "digits, \".\", \"_\", \"/\" and \"-\", beginning with a letter or digit"},
    {"resources: {a: -2}",
     "a.yaml:1:16: resources.a: -2 is out of range; write a whole number from 0 to 1000000000"},
    {"resources: {a: 1.5}",
     "a.yaml:1:16: resources.a: \"1.5\" is not a whole number; write a whole number from 0 to "
     "1000000000"},
    {"any_of: []", "a.yaml:1:9: any_of: found an empty list; write a list of 1 to 16 alternatives"},
    {"any_of: {gpus: 1}", "a.yaml:1:9: any_of: found a map; write a list of 1 to 16 alternatives"},
    {"any_of: [{gpuz: 1}]",
     "a.yaml:1:11: any_of[0]: unknown field \"gpuz\"; did you mean \"gpus\"?"},
    {"any_of: [{speed: 0}]",
     "a.yaml:1:18: any_of[0].speed: out of range; write 0.001 to 1000, where 1 is the reference"},
    {"any_of: [{ports: 1}]",
     "a.yaml:1:11: any_of[0]: unknown field \"ports\"; allowed: cores, memory, scratch, gpus, gpu, "
     "resources, constraint or speed"},
    {"constraint: \"a &\"",
     "a.yaml:1:13: constraint: found the end at character 4 of \"a &\" where a feature's name is "
     "needed"},
    {"constraint: \"a b\"",
     "a.yaml:1:13: constraint: found \"b\" at character 3 of \"a b\" where & or | is needed"},
    {"constraint: \"(a\"",
     "a.yaml:1:13: constraint: found the end at character 3 of \"(a\" where \")\" is needed"},
    {"constraint: \"a & !a\"",
     "a.yaml:1:13: constraint: \"a & !a\" can never hold: it wants a feature both present and "
     "absent"},
    {"constraint: \"a)\"",
     "a.yaml:1:13: constraint: found \")\" at character 2 of \"a)\" where & or | is needed"},
    {"constraint: \"\"",
     "a.yaml:1:13: constraint: found the end at character 1 of \"\" where a feature's name is "
     "needed"},
    {"constraint: !old",
     "a.yaml:1:13: YAML tags such as !old are not read; remove it, or put a text that begins with "
     "! in quotes"},
    {"exclude: [[a]]", "a.yaml:1:11: exclude[0]: found a list; write a text"},
    {"exclude: \"a b\"",
     "a.yaml:1:10: exclude: \"a b\" is not a node's name; use at most 128 letters, digits, \".\", "
     "\"_\", \"/\" and \"-\", beginning with a letter or digit"},
    {"exclusive: yes",
     "a.yaml:1:12: exclusive: \"yes\" is neither true nor false; write one of them"},
    {"time: 2 hours",
     "a.yaml:1:7: time: \"2 hours\" is not a duration; write a duration such as 90s, 15m, 2h30m, "
     "1d, 02:30:00 or unlimited"},
    {"time: 0", "a.yaml:1:7: time: 0 is too short; write a duration such as 2h30m, or unlimited"},
    {"time: -5m", "a.yaml:1:7: time: \"-5m\" is negative; write a duration such as 2h30m"},
    {"time: 99999999999999999h",
     "a.yaml:1:7: time: \"99999999999999999h\" is not a duration Busbar can hold; write something "
     "shorter, or unlimited"},
    {"grace: 2d", "a.yaml:1:8: grace: longer than allowed; write at most 1d"},
    {"grace: unlimited", "a.yaml:1:8: grace: longer than allowed; write at most 1d"},
    {"begin: tomorrow",
     "a.yaml:1:8: begin: \"tomorrow\" is not a moment; write +10m, now+1h, 2026-12-01 08:00, "
     "2026-12-01T08:00:00Z, 2026-12-01T08:00:00+01:00 or 08:00"},
    {"begin: 2026-13-01 08:00",
     "a.yaml:1:8: begin: \"2026-13-01 08:00\" is no day and time of the calendar; write +10m, "
     "now+1h, 2026-12-01 08:00, 2026-12-01T08:00:00Z, 2026-12-01T08:00:00+01:00 or 08:00"},
    {"begin: 2026-12-01 25:00",
     "a.yaml:1:8: begin: \"2026-12-01 25:00\" is no day and time of the calendar; write +10m, "
     "now+1h, 2026-12-01 08:00, 2026-12-01T08:00:00Z, 2026-12-01T08:00:00+01:00 or 08:00"},
    {"begin: +10x",
     "a.yaml:1:8: begin: \"10x\" is not a duration; write a duration such as 90s, 15m, 2h30m, 1d, "
     "02:30:00 or unlimited"},
    {"begin: 25:00",
     "a.yaml:1:8: begin: \"25:00\" is not a moment; write +10m, now+1h, 2026-12-01 08:00, "
     "2026-12-01T08:00:00Z, 2026-12-01T08:00:00+01:00 or 08:00"},
    {"begin: +999999d",
     "a.yaml:1:8: begin: \"+999999d\" is more than a century away; write something nearer"},
    {"begin: 9999-12-31T00:00:00Z",
     "a.yaml:1:8: begin: \"9999-12-31T00:00:00Z\" is more than a century away; write something "
     "nearer"},
    {"time: 99999999999d",
     "a.yaml:1:7: time: more than a century; write a duration such as 2h30m, or unlimited"},
    {"deadline: 2020-01-01", "a.yaml:1:11: deadline: \"2020-01-01\" has passed"},
    {"deadline: +1h\nbegin: +2h", "a.yaml:1:11: deadline: it passes before the job may begin"},
    {"array: 5", "a.yaml:1:8: array: \"5\" could mean one index or that many; write 1-5 or 5-5"},
    {"array: 1-",
     "a.yaml:1:8: array: \"1-\" is not an array; write 1-100, 1,3,7-9, 0-100:5 or 1-100%10"},
    {"array: 9-1", "a.yaml:1:8: array: \"9-1\" runs downwards; write the smaller index first, 1-9"},
    {"array: 1-10:0", "a.yaml:1:8: array: \"1-10:0\" has a step of 0; the smallest step is 1"},
    {"array: 1-10%0",
     "a.yaml:1:8: array: \"1-10%0\" has no limit after the %; write one such as 1-100%10"},
    {"array: 1-5,3", "a.yaml:1:8: array: \"1-5,3\" has the index 3 twice; remove one of them"},
    {"array: 1-1000001",
     "a.yaml:1:8: array: \"1-1000001\" has too many indices; at most 1000000 are allowed"},
    {"array: 1-99999999999",
     "a.yaml:1:8: array: \"1-99999999999\" has an index that is too large; the largest is "
     "1000000000"},
    {"array: -5",
     "a.yaml:1:8: array: \"-5\" is not an array; write 1-100, 1,3,7-9, 0-100:5 or 1-100%10"},
    {"array: 1-4\ntasks: 4",
     "a.yaml:1:8: array: array and tasks cannot stand together; the tasks of an array are its "
     "indices"},
    {"array: 1-4%2\nparallel: 2",
     "a.yaml:2:11: parallel: the limit is written twice, here and after the % of array"},
    {"array: 1-4\ncoupling: tight",
     "a.yaml:1:8: array: all tasks of a tight job start together; this needs \"coupling: loose\""},
    {"parallel: 0",
     "a.yaml:1:11: parallel: 0 is out of range; write a whole number from 1 to 1000000"},
    {"parallel: 2\ncoupling: tight",
     "a.yaml:1:11: parallel: all tasks of a tight job start together; this needs \"coupling: "
     "loose\""},
    {"tasks: 0", "a.yaml:1:8: tasks: \"0\" is out of range; write 1 to 1000000 tasks"},
    {"tasks: -4", "a.yaml:1:8: tasks: \"-4\" is negative; write one such as 4, or 4..16"},
    {"tasks: 4..",
     "a.yaml:1:8: tasks: \"4..\" is not a number of tasks; write one such as 4, or 4..16"},
    {"tasks: 16..4", "a.yaml:1:8: tasks: \"16..4\" runs downwards; write 4..16"},
    {"tasks: 4..16",
     "a.yaml:1:8: tasks: a range of tasks needs a tight or extreme job; write one number, or add "
     "\"coupling: tight\""},
    {"tasks: four",
     "a.yaml:1:8: tasks: \"four\" is not a number of tasks; write one such as 4, or 4..16"},
    {"tasks: 1000001", "a.yaml:1:8: tasks: \"1000001\" is out of range; write 1 to 1000000 tasks"},
    {"tasks: 99999999999999999999",
     "a.yaml:1:8: tasks: \"99999999999999999999\" is out of range; write 1 to 1000000 tasks"},
    {"nodes: 2",
     "a.yaml:1:8: nodes: the tasks of a loose job start independently, each on one node; add "
     "\"coupling: tight\", or remove it"},
    {"tasks_per_node: 2",
     "a.yaml:1:17: tasks_per_node: the tasks of a loose job start independently, each on one node; "
     "add \"coupling: tight\", or remove it"},
    {"nodes: 0\ncoupling: tight",
     "a.yaml:1:8: nodes: 0 is out of range; write a whole number from 1 to 1000000"},
    {"nodes: 4\ntasks: 2\ncoupling: tight",
     "a.yaml:2:8: tasks: 2 tasks cannot use 4 nodes; write at least 4 tasks"},
    {"nodes: 2\ntasks_per_node: 2\ntasks: 5\ncoupling: tight",
     "a.yaml:3:8: tasks: 5 tasks do not go on 2 nodes with 2 tasks each"},
    {"nodes: 2\ntasks: 2..8\ncoupling: tight",
     "a.yaml:1:8: nodes: an exact number of nodes and a range of tasks cannot stand together; "
     "remove one of them"},
    {"nodes: 100000\ntasks_per_node: 100\ncoupling: tight",
     "a.yaml:1:8: nodes: nodes x tasks_per_node is 10000000 tasks; at most 1000000 are allowed"},
    {"tasks: 1000000\nmemory: 1000T\ncoupling: tight",
     "a.yaml:2:9: memory: 1000T for each of 1000000 tasks is more than can be counted"},
    {"launcher: mpi",
     "a.yaml:1:11: launcher: mpi needs tasks that start together; add \"coupling: tight\""},
    {"launcher: mpirun",
     "a.yaml:1:11: launcher: \"mpirun\" is not known; write script, tasks or mpi"},
    {"coupling: tihgt",
     "a.yaml:1:11: coupling: \"tihgt\" is not known; did you mean \"tight\"? Allowed: loose, tight "
     "or extreme"},
    {"coupling: extreme",
     "a.yaml:1:11: coupling: an extreme job runs inside one link domain of devices, so every "
     "alternative needs whole devices; add gpus, or write tight"},
    {"coupling: extreme\ngpu: 0.5",
     "a.yaml:1:11: coupling: an extreme job runs inside one link domain of devices, so every "
     "alternative needs whole devices; add gpus, or write tight"},
    {"within: rack",
     "a.yaml:1:9: within: the tasks of a loose job start independently, each on one node; add "
     "\"coupling: tight\", or remove it"},
    {"within: {required: true}\ncoupling: tight",
     "a.yaml:1:9: within: the field \"level\" is missing"},
    {"within: \"a b\"\ncoupling: tight",
     "a.yaml:1:9: within: \"a b\" is not a level of the topology; use at most 128 letters, digits, "
     "\".\", \"_\", \"/\" and \"-\", beginning with a letter or digit"},
    {"within: rack\nspread: rack\ncoupling: tight",
     "a.yaml:2:9: spread: within and spread both name rack; remove one of them"},
    {"name: 17", "a.yaml:1:7: name: \"17\" would be taken for a job's number; write job-17"},
    {"name: my job",
     "a.yaml:1:7: name: \"my job\" is not a name; use letters, digits, \".\", \"_\" and \"-\", "
     "beginning with a letter or digit"},
    {"name: \"\"", "a.yaml:1:7: name: \"\" is not a name; write 1 to 128 characters"},
    {"tenant: \"a b\"",
     "a.yaml:1:9: tenant: \"a b\" is not a tenant's name; use at most 128 letters, digits, \".\", "
     "\"_\", \"/\" and \"-\", beginning with a letter or digit"},
    {"priority: 1001",
     "a.yaml:1:11: priority: 1001 is out of range; write a whole number from -1000 to 1000"},
    {"priority: high",
     "a.yaml:1:11: priority: \"high\" is not a whole number; write a whole number from -1000 to "
     "1000"},
    {"priority: 1.5",
     "a.yaml:1:11: priority: \"1.5\" is not a whole number; write a whole number from -1000 to "
     "1000"},
    {"priority: 99999999999999999999",
     "a.yaml:1:11: priority: 99999999999999999999 is out of range; write a whole number from -1000 "
     "to 1000"},
    {"hold: maybe", "a.yaml:1:7: hold: \"maybe\" is neither true nor false; write one of them"},
    {"restart: sometimes",
     "a.yaml:1:10: restart: \"sometimes\" is no cause of a restart; write node, oom, timeout, any, "
     "signal:TERM or an exit code such as 75"},
    {"restart: nodes",
     "a.yaml:1:10: restart: \"nodes\" is no cause of a restart; did you mean \"node\"?"},
    {"restart: []", "a.yaml:1:10: restart: write 1 to 100 causes, or \"restart: never\""},
    {"restart: {on: [0]}",
     "a.yaml:1:16: restart.on[0]: 0 is no exit code of a failure; write 1 to 255"},
    {"restart: {on: 256}",
     "a.yaml:1:15: restart.on: 256 is no exit code of a failure; write 1 to 255"},
    {"restart: {on: [signal:FOO]}",
     "a.yaml:1:16: restart.on[0]: \"FOO\" is no signal; write a name such as TERM or USR1, or a "
     "number"},
    {"restart: {on: [signal:TREM]}",
     "a.yaml:1:16: restart.on[0]: \"TREM\" is no signal; did you mean \"TERM\"?"},
    {"restart: {max: -1}",
     "a.yaml:1:16: restart.max: -1 is out of range; write a whole number from 0 to 1000"},
    {"restart: {max: 1001}",
     "a.yaml:1:16: restart.max: 1001 is out of range; write a whole number from 0 to 1000"},
    {"restart: {backoff: 8d}",
     "a.yaml:1:20: restart.backoff: longer than allowed; write at most 7d"},
    {"restart: {backoff: 1h, backoff_max: 1m}",
     "a.yaml:1:37: restart.backoff_max: it is shorter than backoff, 1h"},
    {"restart: {retries: 3}",
     "a.yaml:1:11: restart: unknown field \"retries\"; allowed: on, max, backoff or backoff_max"},
    {"checkpoint: ckpt",
     "a.yaml:1:13: checkpoint: found \"ckpt\"; write fields, each as \"name: value\""},
    {"checkpoint: {}",
     "a.yaml:1:13: checkpoint: nothing is stated; write at least one of signal, directory and "
     "interval"},
    {"checkpoint: {signal: KILL}",
     "a.yaml:1:22: checkpoint.signal: a program cannot catch this signal; write USR1 or TERM"},
    {"checkpoint: {directory: ckpt/%n}",
     "a.yaml:1:25: checkpoint.directory: %n differs for every attempt, so a restart would not find "
     "what was saved; use %j and %a"},
    {"checkpoint: {directory: \"%q\"}",
     "a.yaml:1:25: checkpoint.directory: \"%q\" holds \"%q\"; allowed are %j, %a, %x, %r, and %% "
     "for a percent sign"},
    {"checkpoint: {interval: 0}",
     "a.yaml:1:24: checkpoint.interval: 0 is too short; leave the field out if it has none"},
    {"environment: inherit",
     "a.yaml:1:14: environment: found \"inherit\"; write a map of at most 1000 variables, such as "
     "{OMP_NUM_THREADS: 4}. Nothing is inherited from your shell: name what you need"},
    {"environment: [A=1]",
     "a.yaml:1:14: environment: found a list; write a map of at most 1000 variables, such as "
     "{OMP_NUM_THREADS: 4}. Nothing is inherited from your shell: name what you need"},
    {"environment: {A: [1]}", "a.yaml:1:18: environment.A: found a list; write a text"},
    {"environment: {1A: x}",
     "a.yaml:1:15: environment: \"1A\" is not a variable's name; use letters, digits and \"_\", "
     "not beginning with a digit"},
    {"environment: {BUSBAR_JOB_ID: 1}",
     "a.yaml:1:15: environment: \"BUSBAR_JOB_ID\" is set by Busbar itself; choose a name without "
     "BUSBAR_"},
    {"environment: {A: }",
     "a.yaml:1:15: environment.A: this variable is empty; write \"\" or a value"},
    {"directory: ~/x",
     "a.yaml:1:12: directory: \"~/x\" begins with ~, which is not expanded; write an absolute "
     "path, or one relative to the working directory"},
    {"directory: \"\"", "a.yaml:1:12: directory: a path of 0 bytes; write 1 to 4096"},
    {"setup: \" \"", "a.yaml:1:8: setup: the script is empty; remove the field"},
    {"command: [x]",
     "a.yaml:1:10: command: run and command cannot stand together; run is a shell script, command "
     "a program with its arguments"},
    {"output: \"%z\"",
     "a.yaml:1:9: output: \"%z\" holds \"%z\"; allowed are %j, %a, %x, %r, %n, and %% for a "
     "percent sign"},
    {"output: \"50%\"",
     "a.yaml:1:9: output: \"50%\" holds \"%\"; allowed are %j, %a, %x, %r, %n, and %% for a "
     "percent sign"},
    {"umask: 999",
     "a.yaml:1:8: umask: \"999\" is not a mode; write three octal digits such as \"027\""},
    {"ready: /healthz",
     "a.yaml:1:8: ready: found \"/healthz\"; write fields, each as \"name: value\""},
    {"ready: {}", "a.yaml:1:8: ready: found 0 probes; write exactly one of http, tcp and command"},
    {"ready: {http: /}", "a.yaml:1:8: ready: the probe needs a port; add \"ports: 1\" to the job"},
    {"ready: {http: healthz}\nports: 1",
     "a.yaml:1:15: ready.http: \"healthz\" is not a path; write one such as /healthz, the port as "
     "\"port: 0\""},
    {"ready: {http: /, tcp: 0}\nports: 1",
     "a.yaml:1:8: ready: found 2 probes; write exactly one of http, tcp and command"},
    {"ready: {tcp: 2}\nports: 2",
     "a.yaml:1:14: ready.tcp: port 2 does not exist; \"ports: 2\" gives 0 to 1"},
    {"ready: {http: /, interval: 1ms}\nports: 1",
     "a.yaml:1:28: ready.interval: out of range; write 100ms to 1h"},
    {"ready: {http: /, timeout: 0}\nports: 1",
     "a.yaml:1:27: ready.timeout: 0 is too short; leave the field out for no limit"},
    {"ready: {command: x, port: 0}",
     "a.yaml:1:27: ready.port: a command probe has no port; remove this field"},
    {"labels: [a]",
     "a.yaml:1:9: labels: found a list; write a map of at most 100 labels, such as {project: "
     "melt}"},
    {"labels: {\"a b\": c}",
     "a.yaml:1:10: labels: \"a b\" is not a label's name; use at most 128 letters, digits, \".\", "
     "\"_\", \"/\" and \"-\", beginning with a letter or digit"},
    {"labels: {a: [1]}", "a.yaml:1:13: labels.a: found a list; write a text"},
    {"groups: {}",
     "a.yaml:1:9: groups: found a map; write a list of 1 to 64 groups, each with a name"},
    {"groups: []",
     "a.yaml:1:9: groups: found an empty list; write a list of 1 to 64 groups, each with a name"},
    {"groups: [{run: x}]",
     "a.yaml:1:10: groups[0]: the field \"name\" is missing; every group has one"},
    {"groups: [{name: a}, {name: a}]", "a.yaml:1:28: groups[1].name: two groups are called \"a\""},
    {"groups: [{name: \"1\"}]",
     "a.yaml:1:17: groups[0].name: \"1\" is not a group's name; use at most 32 letters, digits, "
     "\"_\" and \"-\", not digits alone"},
    {"groups: [{name: a, array: 1-4}, {name: b}]",
     "a.yaml:1:27: groups[0].array: a job with several groups cannot be an array; write a job for "
     "each array, as documents of one file"},
    {"groups: [{name: a, tenant: b}]",
     "a.yaml:1:20: groups[0]: unknown field \"tenant\"; allowed: name, launcher, tasks, nodes, "
     "tasks_per_node, cores, memory, scratch, gpus, gpu, resources, ports, any_of, constraint, "
     "array, parallel, environment, directory, setup, run, command, output, error, umask or ready"},
    {"groups: [{name: a, memory: 64Q}]",
     "a.yaml:1:28: groups[0].memory: \"64Q\" is not a size; write a number with an optional unit "
     "k, M, G or T, such as 512M, 64G or 1.5T"},
    {"after: prep",
     "a.yaml:1:8: after: no job of this file is called \"prep\"; a job outside the file is named "
     "by its number"},
    {"after: [1.5]",
     "a.yaml:1:9: after[0]: no job of this file is called \"1.5\"; a job outside the file is named "
     "by its number"},
    {"after: \"0\"", "a.yaml:1:8: after: \"0\" is no job's number"},
    {"after: 99999999999999999999",
     "a.yaml:1:8: after: \"99999999999999999999\" is no job's number"},
    {"after: a", "a.yaml:1:8: after: a after a: a job cannot wait for itself"},
    {"after: [a:redy]",
     "a.yaml:1:9: after[0]: \"a:redy\" waits for \"redy\"; did you mean \"ready\"?"},
    {"after: [17, 17]", "a.yaml:1:13: after[1]: \"17\" is written twice"},
    {"after: {a: ok}",
     "a.yaml:1:8: after: found a map; write a list of at most 1000 names, such as [prep, "
     "train:any, 1234]"},
    {"memroy: 4G", "a.yaml:1:1: unknown field \"memroy\"; did you mean \"memory\"?"},
    {"gpuss: 4", "a.yaml:1:1: unknown field \"gpuss\"; did you mean \"gpus\"?"},
    {"colour: red",
     "a.yaml:1:1: unknown field \"colour\"; allowed: name, tenant, priority, coupling, launcher, "
     "tasks, nodes, tasks_per_node, cores, memory, scratch, gpus, gpu, resources, ports, any_of, "
     "constraint, exclude, exclusive, time, grace, begin, deadline, array, parallel, after, "
     "within, spread, preemptible, hold, restart, checkpoint, environment, directory, setup, run, "
     "command, output, error, umask, ready, labels or groups"},
};

TEST(JobFileErrors, NamePlaceFieldFindingAndRemedy) {
  for (const Row& row : rows) {
    const auto result = read_job_file(std::string(row.text) + "\nrun: x\n",
                                      {"a.yaml", "/submit", 1'793'491'200'000});
    EXPECT_EQ(result.ok() ? "accepted" : result.error().text, row.error) << row.text;
  }
}

}  // namespace
}  // namespace busbar::jobfile
