"""A real Apache Kafka for tests and benchmarks: from the environment, from Docker or from Maven Central.

`python tests/support/kafka_broker.py` runs one until it is interrupted. Only the standard library is used.
"""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Protocol

KAFKA = Path(__file__).resolve().parents[2] / "deploy" / "kafka"
LIBS = KAFKA / "libs"
IMAGE = "apache/kafka:4.1.0"
START_WITHIN = 90.0
LIVES_AT_MOST = 4 * 3600.0


class NoBroker(Exception):
    """No broker can be had on this machine; the message says what is missing."""


class Broker(Protocol):
    """A broker that this process runs."""

    @property
    def address(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class JavaBroker:
    """One KRaft node in `folder`, on free loopback ports. It may be killed and started again: the data and
    the address stay. It dies with the process that started it."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None, users: Sequence[str] = ()) -> None:
        self._folder = folder
        self._users = users
        self._port, controller_port = _free_ports(2)
        self._config = folder / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        more = "".join(f"{name}={value}\n" for name, value in (settings or {}).items())
        template = Template((KAFKA / "server.properties.template").read_text() + more)
        folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text(
            template.substitute(port=self._port, controller_port=controller_port, folder=folder / "data")
        )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Of the running broker."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when clients are answered. Raises NoBroker with the end of the broker's log."""
        if not (self._folder / "data" / "meta.properties").exists():
            self._format()
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                _java("-Xms256m", "-Xmx512m", "-Dlog4j2.level=WARN", "kafka.Kafka", str(self._config)),
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads are running yet
            )
        self._await_answer()

    def stop(self) -> None:
        """Harmless when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _format(self) -> None:
        tool = _java("-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "--standalone")
        arguments = ["-t", uuid.uuid4().hex[:22], "-c", str(self._config)]
        arguments += [word for user in self._users for word in ("--add-scram", f"SCRAM-SHA-512=[{user}]")]
        done = subprocess.run([*tool, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoBroker(f"Kafka could not format its folder: {done.stdout}{done.stderr}")

    def _await_answer(self) -> None:
        """The port only answers once the broker serves requests."""
        deadline = time.monotonic() + START_WITHIN
        while not _accepts(self._port):
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self._folder / "broker.log").read_text(errors="replace")
                self.kill()
                raise NoBroker(f"Kafka did not start: {log[-2000:]}")
            time.sleep(0.1)


class DockerBroker:
    """The same from the official image, for a machine with Docker and without Java."""

    def __init__(self) -> None:
        (self._port,) = _free_ports(1)
        self._name = f"doorstep-kafka-{uuid.uuid4().hex[:8]}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Raises NoBroker when Docker cannot run the image."""
        settings = {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{self.address}",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        }
        environment = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
        command = ["docker", "run", "--rm", "-d", "--name", self._name, "-p", f"{self.address}:9092"]
        done = subprocess.run([*command, *environment, IMAGE], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoBroker(f"docker run {IMAGE} failed: {done.stderr}")
        # Docker's own proxy accepts connections before the broker does: wait for the broker's word.
        deadline = time.monotonic() + START_WITHIN
        while "Kafka Server started" not in _output("docker", "logs", self._name):
            if time.monotonic() > deadline:
                self.stop()
                raise NoBroker(f"{IMAGE} did not start within {START_WITHIN:.0f} s")
            time.sleep(0.2)

    def stop(self) -> None:
        subprocess.run(["docker", "rm", "-f", self._name], capture_output=True, check=False)


def available(folder: Path) -> Broker:
    """A broker, not yet started, from whatever this machine has. Raises NoBroker."""
    if shutil.which("docker") and not _run("docker", "info").returncode:
        return DockerBroker()
    return java_broker(folder)


def java_broker(folder: Path, *, settings: Mapping[str, str] | None = None, users: Sequence[str] = ()) -> JavaBroker:
    """A broker whose process the caller may kill. `settings` are more lines of its template; `users`, each as
    `name=...,password=...`, are made with it. Raises NoBroker."""
    missing = [tool for tool in ("java", "mvn") if not shutil.which(tool)]
    if missing:
        raise NoBroker(
            f"no Kafka: {' and '.join(missing)} not found. Set DOORSTEP_TEST_KAFKA=host:port, start Docker,"
            " or install Java 17 and Maven"
        )
    _fetch_libs()
    return JavaBroker(folder, settings=settings, users=users)


@contextlib.contextmanager
def running_broker() -> Iterator[str]:
    """The address of a broker that lives as long as the `with` block. Raises NoBroker."""
    if address := os.environ.get("DOORSTEP_TEST_KAFKA"):
        yield address
        return
    with tempfile.TemporaryDirectory(prefix="doorstep-kafka-", ignore_cleanup_errors=True) as folder:
        broker = available(Path(folder))
        broker.start()
        try:
            yield broker.address
        finally:
            broker.stop()


def shared_broker(folder: Path, owner: int) -> str:
    """The address of the one broker that all callers with the same `folder` share; it ends soon after the
    process `owner` does. Raises NoBroker."""
    if address := os.environ.get("DOORSTEP_TEST_KAFKA"):
        return address
    answer = folder / "kafka-broker.txt"
    with _locked(folder / "kafka-broker.lock"):
        if not answer.exists():
            _spawn_keeper(answer, owner)
    verdict, _, detail = answer.read_text().partition(" ")
    if verdict == "failed":
        raise NoBroker(detail)
    return detail


def _spawn_keeper(answer: Path, owner: int) -> None:
    command = [sys.executable, __file__, "--answer", str(answer), "--owner", str(owner)]
    with answer.with_suffix(".log").open("wb") as log:
        keeper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while not answer.exists():
        if keeper.poll() is not None:
            raise NoBroker(f"the broker's keeper ended: {answer.with_suffix('.log').read_text()}")
        time.sleep(0.1)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_libs() -> None:
    """Once per content of the pom, however many processes ask."""
    wanted = hashlib.sha256((KAFKA / "pom.xml").read_bytes()).hexdigest()
    with _locked(LIBS / ".lock"):
        complete = LIBS / ".complete"
        if complete.exists() and complete.read_text() == wanted:
            return
        for jar in LIBS.glob("*.jar"):
            jar.unlink()
        done = _run(
            *("mvn", "-q", "-B", "-f", str(KAFKA / "pom.xml"), "dependency:copy-dependencies"),
            *(f"-DoutputDirectory={LIBS}", "-DincludeScope=runtime"),
        )
        if done.returncode:
            raise NoBroker(f"Maven could not fetch Kafka: {done.stdout[-2000:]}")
        complete.write_text(wanted)


def _java(*arguments: str) -> list[str]:
    return ["java", "-cp", f"{LIBS}/*", *arguments]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=600
    )


def _output(*command: str) -> str:
    return _run(*command).stdout


def _die_with_parent() -> None:
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _say(answer: Path, text: str) -> None:
    fresh = answer.with_suffix(".next")
    fresh.write_text(text)
    fresh.replace(answer)


def main() -> None:
    """Run a broker until interrupted, or until the process `--owner` has ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answer", type=Path, help="write `ready ADDRESS` or `failed REASON` to this file")
    parser.add_argument("--owner", type=int, help="end when this process has ended")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with running_broker() as address:
            print(address, flush=True)  # noqa: T201
            if options.answer:
                _say(options.answer, f"ready {address}")
            deadline = time.monotonic() + LIVES_AT_MOST
            while time.monotonic() < deadline and (options.owner is None or _alive(options.owner)):
                time.sleep(0.3)
    except NoBroker as fault:
        if not options.answer:
            sys.exit(str(fault))
        _say(options.answer, f"failed {fault}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
