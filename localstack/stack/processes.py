"""Programs that run beside this one, each ended by its own id."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what leads to a real account or another vault."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MAILKEEP_", "LOCALSTACK_"))}
    return kept | ACCOUNT | more


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def until(what: str, seconds: float, look, pause: float = 0.2):
    """Looks again and again until there is something; fails when it takes too long."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"in {seconds:.0f} s not: {what}")
        time.sleep(pause)


class Emulator:
    """The emulator, on loopback."""

    def __init__(self, program: pathlib.Path, log: pathlib.Path, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port), "IOT_MTLS_ENABLED": "0"}
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [program], env=environment(**settings), stdout=output, stderr=output, start_new_session=True
            )
        until("the emulator is up", 60, self._is_up)

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the emulator did not start, see {self.log}")
        try:
            with urllib.request.urlopen(self.url + "/_ministack/health", timeout=1):
                return True
        except OSError:
            return False

    def functions(self) -> dict[int, str]:
        """Processes of functions that run now, by id: the name of each function."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if not entry.name.isdigit() or "bootstrap" not in (entry / "cmdline").read_text():
                    continue
                variables = (entry / "environ").read_text().split("\0")
                settings = dict(variable.split("=", 1) for variable in variables if "=" in variable)
            except OSError:
                continue
            # Those of this emulator, of which there may be several on a machine.
            if settings.get("GATEWAY_PORT") == str(self.port) and "AWS_LAMBDA_FUNCTION_NAME" in settings:
                found[int(entry.name)] = settings["AWS_LAMBDA_FUNCTION_NAME"]
        return found

    def stop(self) -> None:
        functions = self.functions()
        end(self.process)
        for one in functions:
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Tenant:
    """The simulated tenant."""

    def __init__(self, program: pathlib.Path, mailboxes: int, items: int, *more: str) -> None:
        command = [program, "--mailboxes", str(mailboxes), "--items", str(items), "--small", "--stable-mime", "--real-time", *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout
        self.access = json.loads(self.process.stdout.readline())

    def ask(self, question: str):
        with urllib.request.urlopen(f"{self.access['base_url']}/_admin/{question}", timeout=30) as answer:
            return json.load(answer)

    def tell(self, command: str, **fields):
        body = json.dumps(fields).encode()
        request = urllib.request.Request(f"{self.access['base_url']}/_admin/{command}", body, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def addresses(self) -> list[str]:
        return sorted(it["address"] for it in self.ask("mailboxes") if it["has_mailbox"] and it["address"])

    def items(self, address: str) -> list[dict]:
        return self.ask(f"items?mailbox={address}")

    def stop(self) -> None:
        end(self.process)


def end(process: subprocess.Popen) -> None:
    """Ends a program that was started here."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
