"""Other schedulers on this machine, private and for the time of a benchmark only."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

SLURM_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "sinfo")
SLURM_CONF = """\
ClusterName=bench
SlurmctldHost=localhost
SlurmUser=root
AuthType=auth/none
CredType=cred/none
SlurmctldPort={controller}
SlurmdSpoolDir={home}/spool
StateSaveLocation={home}/state
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,defer_batch,bf_interval=5
MinJobAge=300
MaxArraySize=10001
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=localhost Port={node} CPUs={slots} Boards=1 SocketsPerBoard=1 \
CoresPerSocket={slots} ThreadsPerCore=1 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Absent(Exception):
    """This peer cannot be had here; the text says why."""


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def needs(programs):
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise Absent(f"not installed: {', '.join(missing)}")


class Peer:
    """A private folder and the processes that serve in it; a context manager."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="bb-peer-"))
        self.environment = dict(os.environ)
        self.servers = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers):
            server.terminate()
        for server in reversed(self.servers):
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def serve(self, *words):
        with open(self.home / "servers.log", "ab") as log:
            self.servers.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log,
                                                 stderr=log, env=self.environment, cwd=self.home))

    def call(self, *words):
        return subprocess.run(words, check=True, capture_output=True, text=True,
                              env=self.environment, cwd=self.home, timeout=600).stdout

    def await_true(self, what, condition, patience_s=60):
        deadline = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > deadline:
                raise Absent(f"waited {patience_s} s in vain: {what}")
            time.sleep(0.1)


class Slurm(Peer):
    def __init__(self, slots):
        needs(SLURM_PROGRAMS)
        if os.geteuid() != 0:
            raise Absent("a private Slurm without munge needs root")
        super().__init__()
        controller, node = free_ports(2)
        for folder in ("spool", "state"):
            (self.home / folder).mkdir()
        conf = self.home / "slurm.conf"
        conf.write_text(SLURM_CONF.format(home=self.home, controller=controller, node=node,
                                          slots=slots))
        self.environment["SLURM_CONF"] = str(conf)

    def start(self):
        self.serve("slurmctld", "-D")
        self.serve("slurmd", "-D", "-N", "n1")
        self.await_true("node n1 is idle", lambda: "idle" in self.node_state())

    def node_state(self):
        done = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True,
                              env=self.environment, timeout=60, check=False)
        return done.stdout

    def tasks_per_s(self, tasks):
        begun = time.monotonic()
        job = self.call("sbatch", "--parsable", f"--array=1-{tasks}", "-o", "/dev/null",
                        "--wrap", "/bin/true").strip()
        self.await_true(f"Slurm ends {tasks} tasks",
                        lambda: not self.call("squeue", "-h", "-j", job, "-t", "PD,R,CG").strip(),
                        patience_s=600)
        return tasks / (time.monotonic() - begun)


class HyperQueue(Peer):
    def __init__(self, slots):
        needs(["hq"])
        super().__init__()
        self.slots = slots
        self.environment["HQ_SERVER_DIR"] = str(self.home / "hq")

    def start(self):
        self.serve("hq", "server", "start")
        self.await_true("the server answers", lambda: subprocess.run(
            ["hq", "server", "info"], capture_output=True, env=self.environment,
            check=False).returncode == 0)
        self.serve("hq", "worker", "start", "--cpus", str(self.slots))
        self.await_true("the worker is there", lambda: "RUNNING" in self.call("hq", "worker",
                                                                              "list"))

    def tasks_per_s(self, tasks):
        begun = time.monotonic()
        self.call("hq", "submit", "--array", f"1-{tasks}", "--stdout", "none", "--stderr", "none",
                  "--wait", "/bin/true")
        return tasks / (time.monotonic() - begun)
