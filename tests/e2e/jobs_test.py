#!/usr/bin/python3
"""Real jobs through a real daemon: what a user is told a job file does, it does."""

import json
import re
import shutil
import subprocess
import sys
import time

from harness import (BIN, Runner, daemon, equal, expect, holds_words, most_at_once, skip, stamps,
                     wait_until)

CONFIG = """log_level: debug
node:
  simulated_devices:
    - {vendor: nvidia, model: H100, count: 4, memory: 80G, link_domain_size: 4}
    - {vendor: amd, model: MI300X, count: 1, memory: 192G}
    - {vendor: intel, model: PVC, count: 1, memory: 64G}
tenants:
  - {name: default}
  - {name: physics, quota: {cores: 0.2}}
  - {name: closed, users: [nobody]}
default_tenant: default
"""
SMALL = "cores: 0.02\n"


# --- ends


def together_exit_codes_and_signals(own):
    table = [("true", "COMPLETED", 0, 0), ("exit 3", "FAILED", 3, 0),
             ("exit 255", "FAILED", 255, 0),
             ("kill -SEGV $$", "FAILED", 139, 11), ("kill -KILL $$", "FAILED", 137, 9),
             ("exec /nowhere/program", "FAILED", 127, 0)]
    text = "---\n".join(f"name: code{number}\n{SMALL}run: {line}\n"
                        for number, (line, _, _, _) in enumerate(table))
    for job, (line, state, code, number) in zip(own.submit(text), table):
        answer = own.wait(job)
        equal((answer["state"], answer["exit_code"]), (state, code), f"the end of `{line}`")
        row = own.history(job)[0]
        equal((row["exit"]["code"], row["exit"]["signal"], row["exit"]["cause"]),
              (code, number, "exited"), f"the history of `{line}`")


def together_missing_program(own):
    """The user's mistake: it ends at once, as in a shell, and says which program."""
    table = [("command: [no-such-program-here]", 127, "no-such-program-here"),
             ("command: [/etc/passwd]", 126, "/etc/passwd"),
             ("run: |\n  #!/no/such/shell\n  true", 127, "#! line")]
    text = "---\n".join(f"name: missing{number}\n{SMALL}{line}\n"
                        for number, (line, _, _) in enumerate(table))
    for job, (line, code, word) in zip(own.submit(text), table):
        answer = own.wait(job)
        equal((answer["state"], answer["exit_code"]), ("FAILED", code), f"the end of `{line}`")
        holds_words(own.read(f"busbar-{job}.out"), [word], "its output")
    equal(own.cli("run", "--cores", "0.02", "--", "no-such-program-here").code, 127, "of run")


def together_failed_launches_hold_the_unit(own):
    """What may be the machine's fault is tried again, then held for somebody to look."""
    for line, word in (("directory: /no/such/folder", "cannot enter the working directory"),
                       ("output: /proc/nothing/x", "/proc/nothing")):
        job = own.submit(f"name: unlucky\n{SMALL}{line}\nrun: touch unlucky.ran\n"
                         "restart: {on: [node], backoff: 50ms}\n")[0]
        wait_until("it is held", lambda: own.show(job)["units"]["held"])
        equal(len(own.history(job)), 3, "three launches")
        holds_words(own.cli("explain", job, code=0).out, ["held", word], f"explain of `{line}`")
        own.post(f"/v1/jobs/{job}/cancel")
        equal(own.wait(job)["state"], "CANCELLED", "its end")
    expect(not (own.work / "unlucky.ran").exists(), "the program did not run")


def together_a_failing_setup_fails_the_attempt(own):
    """With the setup's own code; `run` ends with it, and the restart rule applies."""
    job = own.submit(f"name: unready\n{SMALL}setup: exit 5\nrun: touch unready.ran\n")[0]
    answer = own.wait(job)
    equal((answer["state"], answer["exit_code"]), ("FAILED", 5), "its end")
    equal(own.history(job)[0]["exit"]["detail"], "its setup failed with code 5", "its history")
    again = own.submit(f"name: unready2\n{SMALL}setup: exit 6\nrun: touch unready.ran\n"
                       "restart: {on: [6], max: 1, backoff: 50ms}\n")[0]
    equal(own.wait(again)["exit_code"], 6, "the end of the second")
    equal(len(own.history(again)), 2, "one restart by the rule")
    expect(not (own.work / "unready.ran").exists(), "the program did not run")


def together_run_says_that_its_job_is_held(own):
    process = subprocess.Popen([str(BIN / "busbar"), "run", "--hold", "--cores", "0.02", "--name",
                                "patient", "--", "true"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               cwd=own.work, env=own.environment)
    line = process.stderr.readline()
    holds_words(line, ["held", "busbar release"], "what run says")
    own.cli("release", re.search(r"job (\d+)", line)[1], code=0)
    equal(process.wait(60), 0, "its code after the release")
    process.stderr.close()
    process.stdout.close()


def together_time_limit_kills_the_tree(own):
    started = time.monotonic()
    job = own.finish(f"""name: stubborn
{SMALL}time: 1s
grace: 1s
run: |
  sh -c 'trap "" TERM; echo trapped; while :; do sleep 0.2; done' &
  trap "" TERM
  sleep 77177 & wait; wait
""", "TIMEOUT", 137)
    expect(time.monotonic() - started < 30, "limit and grace hold")
    equal(own.history(job)[0]["exit"]["cause"], "timed_out", "the cause")
    equal(own.leftovers_with("77177"), [], "no process of its tree is left")


def together_time_limit_asks_first(own):
    own.finish(f"""name: polite
{SMALL}time: 1s
grace: 20s
run: |
  trap 'echo asked; exit 9' TERM
  sleep 60 & wait
output: polite.out
""", "TIMEOUT", 9)
    equal(own.read("polite.out"), "asked\n", "SIGTERM came first")


def together_memory_limit_holds(own):
    job = own.submit(f"""name: greedy
{SMALL}memory: 60M
time: 1m
run: |
  exec /usr/bin/python3 -c '
  import time
  held = []
  for _ in range(60):
      held.append(bytearray(b"x") * (10 << 20))
      time.sleep(0.02)
  time.sleep(5)
  '
""")[0]
    answer = own.wait(job)
    equal(answer["state"], "OUT_OF_MEMORY", "more memory than asked for")
    row = own.history(job)[0]
    equal(row["exit"]["cause"], "out_of_memory", "the cause")
    expect(row["usage"]["memory_peak_bytes"] > 20 << 20, "the peak was seen", row["usage"])


def together_usage(own):
    job = own.finish(f"""name: busy
{SMALL}memory: 200M
run: |
  exec /usr/bin/python3 -c '
  import time
  block = bytearray(b"x") * (50 << 20)
  while time.process_time() < 0.4: pass
  '
""")
    usage = own.history(job)[0]["usage"]
    expect(0.3 < usage["cpu_seconds"] < 5, "CPU time", usage)
    expect(50 << 20 <= usage["memory_peak_bytes"] < 200 << 20, "peak memory", usage)
    expect(usage["wall_seconds"] >= 0.3, "wall time", usage)


# --- restart


def together_restart_keeps_the_checkpoint_directory(own):
    job = own.finish(f"""name: again
{SMALL}restart: {{on: [75], max: 3, backoff: 100ms}}
checkpoint: {{directory: ckpt/%j}}
output: again.out
run: |
  echo "$BUSBAR_ATTEMPT $BUSBAR_RESTARTS $BUSBAR_CHECKPOINT_DIR"
  mkdir -p "$BUSBAR_CHECKPOINT_DIR"
  echo x >> "$BUSBAR_CHECKPOINT_DIR/steps"
  [ "$(wc -l < "$BUSBAR_CHECKPOINT_DIR/steps")" -ge 3 ] || exit 75
""")
    folder = f"{own.work}/ckpt/{job}"
    equal(own.read("again.out"), "".join(f"{n} {n - 1} {folder}\n" for n in (1, 2, 3)),
          "attempts, restarts and folder")
    rows = own.history(job)
    equal([(row["exit"]["code"], row["final"]) for row in rows],
          [(75, False), (75, False), (0, True)], "every attempt is in the history")


def together_an_attempt_shows_its_own_output(own):
    """Files are appended to; what others wrote into one before is not shown as this one's."""
    text = f"name: mine\n{SMALL}output: shared.log\nrun: echo from $BUSBAR_JOB_ID\n"
    first, second = own.finish(text), own.finish(text)
    equal(own.read("shared.log"), f"from {first}\nfrom {second}\n", "the file has both")
    equal(own.cli("logs", str(first), code=0).out, f"from {first}\nfrom {second}\n",
          "nobody knows where a job's part ends while another may write")
    equal(own.cli("logs", str(second), code=0).out, f"from {second}\n", "the second's part")
    equal(own.cli("logs", "--tail", "5", str(second), code=0).out, f"from {second}\n", "its tail")
    again = own.finish(f"name: again\n{SMALL}output: shared.log\n"
                       "restart: {on: [75], max: 3, backoff: 50ms}\n"
                       "run: |\n  echo attempt $BUSBAR_ATTEMPT\n"
                       "  [ $BUSBAR_ATTEMPT -ge 3 ] || exit 75\n")
    for attempt in (1, 2, 3):
        equal(own.cli("logs", "--attempt", str(attempt), str(again), code=0).out,
              f"attempt {attempt}\n", "each attempt's part")
    equal(own.cli("logs", str(again), code=0).out, "attempt 3\n", "the newest")


def together_followers_show_every_attempt_and_nothing_else(own):
    """From before the start, when it is held, or after the first attempts are over."""
    own.write("followed.log", "another's\n" * 3)
    text = (f"name: followed\n{SMALL}output: followed.log\n"
            "restart: {on: [75], max: 3, backoff: 20ms}\n"
            "run: |\n  echo attempt $BUSBAR_ATTEMPT\n  [ $BUSBAR_ATTEMPT -ge 3 ] || exit 75\n")
    expected = "attempt 1\nattempt 2\nattempt 3\n"
    job = own.submit("hold: true\n" + text)[0]
    followers = [subprocess.Popen([BIN / "busbar", *words, str(job)], cwd=own.work, text=True,
                                  env=own.environment, stdout=subprocess.PIPE)
                 for words in (["attach"], ["logs", "-f"])]
    time.sleep(1.5)
    own.cli("release", str(job), code=0)
    own.wait(job)
    outs = [follower.communicate(timeout=30)[0] for follower in followers]
    equal(outs[0], expected, "attach from before the start")
    expect(outs[1] in expected, f"logs -f shows attempts, not what was there before: {outs[1]!r}")
    equal(own.cli("attach", str(job)).out, expected, "attach after the end")


def together_restart_has_an_end(own):
    job = own.finish(f"name: tired\n{SMALL}restart: {{on: [4], max: 2, backoff: 50ms}}\n"
                     "run: exit 4\n", "FAILED", 4)
    equal(len(own.history(job)), 3, "one attempt and two restarts")


def together_other_codes_do_not_restart(own):
    job = own.finish(f"name: other\n{SMALL}restart: {{on: [4], max: 2, backoff: 50ms}}\n"
                     "run: exit 5\n", "FAILED", 5)
    equal(len(own.history(job)), 1, "one attempt")


def together_signal_before_the_limit(own):
    """It is told to save itself two seconds before its limit, and goes on from what it saved."""
    own.finish(f"""name: saver
{SMALL}time: 3s
grace: 1s
checkpoint: {{signal: USR1, grace: 2s, directory: ckpt-saver}}
restart: {{on: [75], backoff: 50ms}}
output: saver.out
run: |
  mkdir -p "$BUSBAR_CHECKPOINT_DIR"
  [ -e "$BUSBAR_CHECKPOINT_DIR/saved" ] && {{ echo resumed; exit 0; }}
  trap 'echo saving; touch "$BUSBAR_CHECKPOINT_DIR/saved"; exit 75' USR1
  sleep 60 & wait
""")
    equal(own.read("saver.out"), "saving\nresumed\n", "saved, then resumed")


def together_deadline(own):
    runs, waits = own.submit(f"""name: late
{SMALL}deadline: +1s
grace: 1s
run: exec sleep 60
---
name: too-late
{SMALL}deadline: +1s
hold: true
run: true
""")
    equal(own.wait(runs)["state"], "TIMEOUT", "what runs at its deadline")
    equal(own.wait(waits)["state"], "CANCELLED", "what waits at its deadline")


# --- arrays and dependencies


def together_array_two_at_once(own):
    job = own.finish(f"""name: ten
array: 1-10%2
{SMALL}output: ten-%a.out
run: |
  echo "$BUSBAR_ARRAY_INDEX $SLURM_ARRAY_TASK_ID $BUSBAR_ARRAY_COUNT"
  echo "$BUSBAR_UNIT start $(date +%s%N)" >> ten.times
  sleep 0.1
  echo "$BUSBAR_UNIT end $(date +%s%N)" >> ten.times
""")
    for index in range(1, 11):
        equal(own.read(f"ten-{index}.out"), f"{index} {index} 10\n", f"output of index {index}")
    pairs = stamps(own.read("ten.times"))
    equal(len(pairs), 10, "ten tasks ran")
    equal(most_at_once(pairs), 2, "two at once")
    equal(sorted(row["ref"] for row in own.history(job)),
          sorted(f"{job}_{index}" for index in range(1, 11)), "a row for each unit")


def together_array_with_steps_and_codes(own):
    job = own.finish(f"name: steps\narray: 0-8:4\n{SMALL}run: exit $BUSBAR_ARRAY_INDEX\n",
                     "FAILED", 8)
    units = {row["ref"]: row["exit"]["code"] for row in own.history(job)}
    equal(units, {f"{job}_0": 0, f"{job}_4": 4, f"{job}_8": 8}, "units and codes")
    equal(own.unit(f"{job}_4")["exit_code"], 4, "exit code of one unit")


def together_dependencies(own):
    names = own.submit(f"""name: first
{SMALL}run: sleep 0.3; exit 2
---
name: on-ok
after: first
{SMALL}run: echo never > on-ok.ran
---
name: on-any
after: ["first:any"]
{SMALL}run: echo ran > on-any.ran
---
name: on-failed
after: ["first:failed"]
{SMALL}run: echo ran > on-failed.ran
---
name: on-both
after: [on-any, on-failed]
{SMALL}run: cat on-any.ran on-failed.ran > on-both.ran
""")
    states = [own.wait(job)["state"] for job in names]
    equal(states, ["FAILED", "CANCELLED", "COMPLETED", "COMPLETED", "COMPLETED"], "the ends")
    equal(own.read("on-ok.ran"), "", "what needs success did not run")
    equal(own.read("on-both.ran"), "ran\nran\n", "what needs both ran last")
    holds_words(json.dumps(own.show(names[1])["close_reason"]), [str(names[0])],
                "the reason names the job that failed")


def together_dependency_on_a_number(own):
    first = own.submit(f"name: numbered\n{SMALL}run: sleep 0.3; echo 1 > numbered.done\n")[0]
    own.finish(f"name: later\nafter: [{first}]\n{SMALL}run: cat numbered.done\n")


# --- gangs and groups


def together_gang_of_tasks(own):
    own.finish("""name: gang
coupling: tight
launcher: tasks
tasks: 4
cores: 0.1
output: gang-%r.out
run: |
  echo "$BUSBAR_RANK $RANK $SLURM_PROCID $BUSBAR_WORLD_SIZE $WORLD_SIZE $SLURM_NTASKS $LOCAL_RANK"
  [ -n "$MASTER_ADDR" ] && [ -n "$MASTER_PORT" ] && echo "master"
""")
    for rank in range(4):
        equal(own.read(f"gang-{rank}.out"), f"{rank} {rank} {rank} 4 4 4 {rank}\nmaster\n",
              f"what rank {rank} sees")


def together_gang_fails_as_one(own):
    started = time.monotonic()
    job = own.finish("""name: broken
coupling: tight
launcher: tasks
tasks: 3
grace: 1s
cores: 0.1
run: |
  [ $BUSBAR_RANK = 1 ] && exit 6
  exec sleep 88188
""", "FAILED", 6)
    expect(time.monotonic() - started < 30, "the others were ended")
    equal(len(own.history(job)), 1, "one attempt for all")
    equal(own.leftovers_with("88188"), [], "no rank is left")


def together_mpi(own):
    if not shutil.which("mpirun"):
        skip("mpirun is not installed")
    own.finish("""name: mpi
coupling: tight
launcher: mpi
tasks: 2
cores: 0.2
time: 1m
output: mpi.out
run: |
  echo "rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE, $BUSBAR_JOB_NAME"
""")
    ranks = sorted(line for line in own.read("mpi.out").splitlines() if line.startswith("rank"))
    equal(ranks, ["rank 0 of 2, mpi", "rank 1 of 2, mpi"], "two ranks spoke")


def together_groups(own):
    own.finish("""name: mixed
coupling: tight
launcher: tasks
cores: 0.05
groups:
  - name: learner
    run: echo "$BUSBAR_GROUP $BUSBAR_GROUP_RANK $BUSBAR_GROUP_SIZE" > learner.out
  - name: actor
    tasks: 2
    environment: {ROLE: act}
    run: echo "$BUSBAR_GROUP $ROLE $BUSBAR_GROUP_SIZE" > actor-$BUSBAR_GROUP_RANK.out
""")
    equal(own.read("learner.out"), "learner 0 1\n", "the learner")
    for rank in range(2):
        equal(own.read(f"actor-{rank}.out"), "actor act 2\n", f"actor {rank}")


def together_loose_groups(own):
    job = own.finish(f"""name: pieces
{SMALL}groups:
  - {{name: left, tasks: 2, run: exit 0}}
  - {{name: right, run: exit 7}}
""", "FAILED", 7)
    equal(sorted((row["ref"], row["exit"]["code"]) for row in own.history(job)),
          [(f"{job}.left.0", 0), (f"{job}.left.1", 0), (f"{job}.right.0", 7)], "each unit's end")


# --- devices


def together_simulated_devices(own):
    job = own.finish(f"""name: devices
{SMALL}gpus: H100:2
output: devices.out
run: |
  echo "$CUDA_VISIBLE_DEVICES"
  echo "$BUSBAR_SIMULATED_DEVICES"
  echo "$SLURM_GPUS_ON_NODE"
""")
    lines = own.read("devices.out").splitlines()
    equal(lines[2], "2", "the number of devices")
    given = lines[1] or lines[0]
    equal(len(set(given.split(","))), 2, f"two different devices are named in {lines}")
    node = own.get("/v1/nodes")["nodes"][0]
    expect(all(device["simulated"] for device in node["devices"]), "shown as simulated", node)
    equal(own.history(job)[0]["devices"], 2, "two devices in the history")


def together_no_device_twice(own):
    own.finish("""name: share
array: 1-8
cores: 0.02
gpus: H100:2
run: |
  echo "$BUSBAR_DEVICES" > share-$BUSBAR_ARRAY_INDEX.devices
  echo "$BUSBAR_UNIT start $(date +%s%N)" >> share.times
  sleep 0.15
  echo "$BUSBAR_UNIT end $(date +%s%N)" >> share.times
""")
    times = {}
    for line in own.read("share.times").splitlines():
        unit, word, moment = line.split()
        times.setdefault(unit.split("_")[1], {})[word] = int(moment)
    held = {}
    for index, pair in times.items():
        devices = own.read(f"share-{index}.devices").strip().split(",")
        equal(len(set(devices)), 2, f"devices of index {index}")
        for device in devices:
            held.setdefault(device, []).append((pair["start"], pair["end"]))
    equal(len(times), 8, "eight tasks ran")
    for device, pairs in held.items():
        equal(most_at_once(pairs), 1, f"device {device} was given to one task at a time")


def together_two_halves_of_a_device(own):
    jobs = own.submit("---\n".join(f"""name: half{n}
cores: 0.02
gpu: "MI300X:0.5"
time: 1m
run: |
  echo "$BUSBAR_DEVICES $BUSBAR_DEVICE_SHARE" > half{n}.out
  touch half{n}.on
  for i in $(seq 400); do [ -e half{1 - n}.on ] && exit 0; sleep 0.05; done
  exit 1
""" for n in (0, 1)))
    for job in jobs:
        equal(own.wait(job)["state"], "COMPLETED", "both halves ran at the same time")
    equal(own.read("half0.out"), own.read("half1.out"), "on one device")
    equal(own.read("half0.out").split()[1], "0.5", "each with a half")


def together_one_link_domain(own):
    own.finish("""name: extreme
coupling: extreme
launcher: tasks
tasks: 2
cores: 0.02
gpus: H100:1
run: echo "$BUSBAR_DEVICES" > extreme-$BUSBAR_RANK.out
""")
    devices = {own.read(f"extreme-{rank}.out") for rank in range(2)}
    expect(len(devices) == 2 and "" not in devices, "each rank has a device of its own", devices)


def together_any_of(own):
    job = own.finish("""name: choice
any_of:
  - {gpus: B300:1, speed: 3}
  - {gpus: PVC:1, cores: 0.03}
  - {cores: 0.04, speed: 0.1}
output: choice.out
run: echo "$BUSBAR_DEVICE_COUNT $BUSBAR_CORES"
""")
    equal(own.read("choice.out"), "1 0.03\n", f"job {job} took the second way")


# --- services


def together_service_and_client(own):
    own.write("serve.py", """
import http.server, os, sys, time
time.sleep(0.5)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"forty-two")
    def log_message(self, *words): pass
http.server.HTTPServer(("", int(os.environ["BUSBAR_PORT_0"])), Answer).serve_forever()
""")
    own.write("ask.py", "import sys, urllib.request\n"
              "print(urllib.request.urlopen(sys.argv[1]).read().decode())\n")
    serve, client = own.submit("""name: my-service
cores: 0.05
ports: 2
ready: {http: /healthz, interval: 200ms, timeout: 50s}
run: exec /usr/bin/python3 serve.py
---
name: client
after: ["my-service:ready"]
cores: 0.05
output: client.out
run: |
  echo "$BUSBAR_MY_SERVICE_ADDRESS"
  exec /usr/bin/python3 ask.py "http://$BUSBAR_MY_SERVICE_ADDRESS"
""")
    own.wait(serve, "ready")
    attempt = own.show(serve)["attempts"][0]
    expect(attempt["ready"], "it is shown as ready", attempt)
    equal(len(set(attempt["claims"][0]["ports"])), 2, "two ports")
    equal(own.wait(client)["state"], "COMPLETED", "the client's end")
    equal(own.read("client.out").splitlines(), [attempt["address"], "forty-two"],
          "the client's talk")
    own.cli("cancel", serve, "--reason", "enough", code=0)
    equal(own.wait(serve)["state"], "CANCELLED", "the service's end")


def together_ready_by_tcp_and_command(own):
    tcp, command = own.submit(f"""name: tcp
{SMALL}ports: 1
ready: {{tcp: 0, interval: 200ms}}
run: exec /usr/bin/python3 -m http.server $BUSBAR_PORT_0
---
name: command
{SMALL}ready: {{command: "test -e command.on", interval: 200ms}}
run: sleep 0.5; touch command.on; exec sleep 60
""")
    for job in (tcp, command):
        own.wait(job, "ready")
        own.post(f"/v1/jobs/{job}/cancel")
        equal(own.wait(job)["state"], "CANCELLED", "its end")


def together_never_ready_fails(own):
    job = own.submit(f"""name: deaf
{SMALL}ports: 1
grace: 1s
ready: {{tcp: 0, interval: 200ms, timeout: 1s}}
run: exec sleep 60
""")[0]
    equal(own.wait(job)["state"], "FAILED", "a service that is not ready in time")
    holds_words(json.dumps(own.history(job)), ["ready"], "the history says why")


def together_quota(own):
    own.finish("""name: bounded
tenant: physics
array: 1-4
cores: 0.1
run: |
  echo "$BUSBAR_UNIT start $(date +%s%N)" >> quota.times
  sleep 0.2
  echo "$BUSBAR_UNIT end $(date +%s%N)" >> quota.times
""")
    expect(most_at_once(stamps(own.read("quota.times"))) <= 2, "the tenant's quota holds")


# --- what a job sees


def together_environment_setup_and_files(own):
    (own.work / "inner").mkdir()
    job = own.finish(f"""name: seen
{SMALL}directory: inner
environment: {{GREETING: "hello 'you' $HOME", NUMBER: 4}}
setup: echo set > setup.out; export FROM_SETUP=1
output: "%x-%j-%n.out"
error: "%x.err"
umask: "077"
labels: {{project: melt, kind: test}}
run: |
  echo "$GREETING|$NUMBER|$BUSBAR_JOB_NAME|$SLURM_JOB_NAME|$BUSBAR_JOB_ID"
  pwd
  cat setup.out
  echo "${{SECRET-none}}"
  touch made
  echo oops >&2
""")
    lines = own.read(f"inner/seen-{job}-1.out").splitlines()
    equal(lines, [f"hello 'you' $HOME|4|seen|seen|{job}", f"{own.work}/inner", "set", "none"],
          "what the job saw")
    equal(own.read("inner/seen.err"), "oops\n", "the error file")
    equal((own.work / "inner/made").stat().st_mode & 0o777, 0o600, "the umask")
    equal(own.show(job)["labels"], {"project": "melt", "kind": "test"}, "the labels")
    found = own.ask("ps", "-a", "--label", "project=melt")["jobs"]
    equal([entry["id"] for entry in found], [job], "found by its label")


def together_core_binding(own):
    job = own.submit(f"""name: bound
cores: 1
time: 1m
run: |
  grep Cpus_allowed_list /proc/self/status > bound.out
  echo "$BUSBAR_CORE_IDS" >> bound.out
  while [ ! -e bound.off ]; do sleep 0.05; done
""")[0]
    wait_until("it runs", lambda: len(own.read("bound.out").splitlines()) == 2)
    claim = wait_until("its cores are reported", lambda: next(
        (entry["claims"][0] for entry in own.show(job)["attempts"]
         if entry["claims"][0]["binding"] == "bound"), None))
    own.write("bound.off", "")
    own.wait(job)
    allowed, ids = own.read("bound.out").splitlines()
    reported = sorted(claim["core_ids"])
    expect(reported, "processing units are reported", claim)
    equal(sorted(int(part) for part in ids.split(",")), reported, "the job knows them")
    masks = set()
    for part in allowed.split()[1].split(","):
        first, _, last = part.partition("-")
        masks.update(range(int(first), int(last or first) + 1))
    equal(sorted(masks), reported, "the kernel holds it to them")


def main():
    runner = Runner()
    runner.on_one_daemon(sys.modules[__name__], CONFIG)
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
