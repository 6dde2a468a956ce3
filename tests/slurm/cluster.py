"""A real Slurm on this one machine: munge, MariaDB, slurmdbd, slurmctld, and nodes that pretend to hold GPUs.

Needs root and Debian's packages munge, slurmctld, slurmd, slurmdbd, slurm-client and mariadb-server. It runs as
/etc/slurm, because Snakemake's job step drops SLURM_CONF; what stood there before is put back at the end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmdbd", "sbatch", "sacct", "mariadbd", "mariadb-install-db", "mknod")
NODES = ("n1", "n2")
GPUS_PER_NODE = 2
CPUS_PER_NODE = 2

_ETC = Path("/etc/slurm")
_MUNGE_SOCKET = Path("/run/munge/munge.socket.2")
_CONTROLLER, _ACCOUNTING, _DATABASE, _FIRST_NODE = 16817, 16819, 13306, 17001
_PASSWORD = "only-on-this-machine"
_PATIENCE = 90.0

_SLURM_CONF = """\
ClusterName=weisstest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting}
AccountingStorageTRES=gres/gpu
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=6
KillWait=2
MinJobAge=300
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

_SLURMDBD_CONF = """\
DbdHost=localhost
DbdPort={accounting}
SlurmUser=root
AuthType=auth/munge
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct_db
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


def why_not() -> str | None:
    """Why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "starting a Slurm needs root"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return "a Slurm is already running here" if _answers(_CONTROLLER) or _answers(_MUNGE_SOCKET) else None


def _answers(address: int | Path) -> bool:
    """Whether something listens at a port of this machine, or at a path: a killed daemon leaves its socket behind."""
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", address) if isinstance(address, int) else str(address)) == 0


class Cluster:
    """`start` it, use Slurm's commands, `stop` it.

    Parameters
    ----------
    folder : Path
        For its state and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._found: Path | None = None
        self._configured = False

    def start(self) -> None:
        """Start everything and wait until all nodes are idle."""
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self._start_munge()
        self._start_database()
        self._configure()
        self._run("slurmdbd", ["slurmdbd", "-D"])
        self._await("slurmdbd", lambda: _answers(_ACCOUNTING))
        self._run("slurmctld", ["slurmctld", "-D"])
        self._await("slurmctld", lambda: _answers(_CONTROLLER))
        for node in NODES:
            self.start_node(node)
        self._await("the nodes", lambda: set(self.node_states().values()) == {"IDLE"})
        self._await("accounting", lambda: "weisstest" in self.ask("sacctmgr", "-nP", "show", "cluster"))

    def stop(self) -> None:
        """End every process this cluster started, jobs included, and put /etc/slurm back."""
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self.ask("scancel", "--user", "root", check=False)
        for node in NODES:
            _kill(_processes_of_node(node))
        for name in reversed(self._processes):
            process = self._processes[name]
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for node in NODES:
            _kill(_processes_of_node(node))
        self._processes.clear()
        _MUNGE_SOCKET.unlink(missing_ok=True)
        if self._configured:
            shutil.rmtree(_ETC, ignore_errors=True)
        if self._found is not None:
            shutil.copytree(self._found, _ETC)

    def ask(self, *command: str, check: bool = True) -> str:
        """Run one of Slurm's commands and return what it prints."""
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=60).stdout

    def start_node(self, node: str) -> None:
        """Start a node's daemon and bring the node into service."""
        self._run(f"slurmd-{node}", ["slurmd", "-D", "-N", node])
        self._await(f"node {node}", lambda: self.node_states().get(node, "").startswith(("IDLE", "DOWN", "DRAIN")))
        if self.node_states()[node] != "IDLE":
            self.ask("scontrol", "update", f"nodename={node}", "state=resume")
            self._await(f"node {node}", lambda: self.node_states().get(node) == "IDLE")

    def kill_node(self, node: str) -> None:
        """Cut a node's power: its daemon and all that ran on it are gone at once, without a word to the controller."""
        process = self._processes.pop(f"slurmd-{node}")
        process.kill()
        process.wait()
        _kill(_processes_of_node(node))

    def node_states(self) -> dict[str, str]:
        """State of every node that the controller lists; a node that does not answer is marked `*`, left out here."""
        lines = self.ask("sinfo", "--noheader", "--Node", "--format=%N %T", check=False).splitlines()
        return {name: state.rstrip("*").upper() for name, state in (line.split() for line in lines)}

    def jobs(self) -> list[dict[str, str]]:
        """Every job accounted for, with JobIDRaw, JobName, State, NodeList, AllocTRES and SubmitLine."""
        fields = ("JobIDRaw", "JobName", "State", "NodeList", "AllocTRES", "SubmitLine")
        lines = self.ask(
            "sacct", "-X", "-n", "-P", "--delimiter=\x1f", "--starttime=now-1days", f"--format={','.join(fields)}"
        )
        return [dict(zip(fields, line.split("\x1f"), strict=True)) for line in lines.splitlines()]

    # -- parts -------------------------------------------------------------------------------------------------------

    def _run(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True, cwd=self.folder
            )

    def _await(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not ready():
            gone = [name for name, process in self._processes.items() if process.poll() is not None]
            if gone or time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not come up; ended: {gone}; logs in {self.folder}")
            time.sleep(0.1)

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        folder.mkdir(mode=0o700)
        key = folder / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        _MUNGE_SOCKET.parent.mkdir(parents=True, exist_ok=True)
        _MUNGE_SOCKET.parent.chmod(0o755)
        files = {"socket": _MUNGE_SOCKET, "key-file": key, "log-file": folder / "log", "pid-file": folder / "pid"}
        files["seed-file"] = folder / "seed"
        self._run(
            "munged", ["munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in files.items())]
        )
        self._await("munged", lambda: _answers(_MUNGE_SOCKET))

    def _start_database(self) -> None:
        folder, control = self.folder / "database", self.folder / "database.socket"
        folder.mkdir()
        options = ["--no-defaults", "--user=root", f"--datadir={folder}"]
        quick = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M"]
        subprocess.run(["mariadb-install-db", *options, "--skip-test-db"], check=True, capture_output=True)
        network = ["--bind-address=127.0.0.1", f"--port={_DATABASE}", f"--socket={control}", "--skip-name-resolve"]
        self._run("mariadbd", ["mariadbd", *options, *network, *quick, f"--pid-file={folder / 'pid'}"])
        self._await("mariadbd", control.exists)
        statements = (
            "CREATE DATABASE slurm_acct_db;"
            f"CREATE USER slurm@'127.0.0.1' IDENTIFIED BY '{_PASSWORD}';"
            "GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';"
        )
        client = ["mariadb", "--no-defaults", f"--socket={control}", "--execute", statements]
        subprocess.run(client, check=True, capture_output=True)

    def _configure(self) -> None:
        if _ETC.exists():
            self._found = self.folder / "etc-as-found"
            shutil.copytree(_ETC, self._found)
            shutil.rmtree(_ETC)
        self._configured = True
        _ETC.mkdir()
        (self.folder / "state").mkdir()
        names = {"host": socket.gethostname(), "folder": self.folder, "controller": _CONTROLLER}
        names |= {"accounting": _ACCOUNTING, "database": _DATABASE, "password": _PASSWORD}
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={names['host']} NodeAddr=127.0.0.1 Port={_FIRST_NODE + number} "
            f"CPUs={CPUS_PER_NODE} RealMemory=8000 Gres=gpu:{GPUS_PER_NODE}"
            for number, node in enumerate(NODES)
        )
        (_ETC / "slurm.conf").write_text(_SLURM_CONF.format(nodes=nodes, **names))
        (_ETC / "gres.conf").write_text("".join(self._fake_gpus(node) for node in NODES))
        accounting = _ETC / "slurmdbd.conf"
        accounting.touch(mode=0o600)
        accounting.write_text(_SLURMDBD_CONF.format(**names))

    def _fake_gpus(self, node: str) -> str:
        """Character devices that lead nowhere stand for a node's GPUs."""
        lines = []
        for number in range(GPUS_PER_NODE):
            device = self.folder / f"{node}-gpu{number}"
            subprocess.run(["mknod", str(device), "c", "1", "3"], check=True)
            lines.append(f"NodeName={node} Name=gpu File={device}\n")
        return "".join(lines)


def _processes_of_node(node: str) -> list[int]:
    """The supervisors of a node's job steps, then what they run, which Slurm tells in its environment where it is."""
    mark = f"SLURMD_NODENAME={node}".encode()
    supervisors, steps = set(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                steps.append(int(folder.name))
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if Path(f"/proc/{parent}/comm").read_text().strip() == "slurmstepd":
                    supervisors.add(parent)
    return [*supervisors, *steps]


def _kill(processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
