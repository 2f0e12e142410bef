"""A deployed stack with a tenant, a vault, and somebody who uses them."""

import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .processes import ACCOUNT, REPOSITORY, Emulator, Tenant, environment, until
from .news import KEY, Receiver
from .proxy import Proxy

sys.path.insert(0, str(REPOSITORY / "infra"))
import deploy  # noqa: E402
import package  # noqa: E402

CALLER = "arn:aws:iam::000000000000:root"
"""Who the emulator takes everybody for."""
CONNECTION = "simulated"


class World:
    """Everything that runs, and how to use it."""

    def __init__(self, programs: pathlib.Path, ministack: pathlib.Path, folder: pathlib.Path, mailboxes: int, items: int, port: int = 0):
        self.programs, self.folder = programs, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.stack = "mailkeep"
        self.packages = folder / "packages"
        self.sizes = package.pack_all(programs, self.packages, level=1)
        self.emulator = Emulator(ministack, folder / "emulator.log", port)
        self.proxy = Proxy(self.emulator.url)
        self.tenant = Tenant(programs / "exchange-sim", mailboxes, items)
        self.receiver = Receiver()
        self.session = boto3.Session(
            aws_access_key_id=ACCOUNT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ACCOUNT["AWS_SECRET_ACCESS_KEY"],
            region_name=ACCOUNT["AWS_REGION"],
        )
        make = self.session.client
        self.session.client = lambda name: make(name, endpoint_url=self.emulator.url)
        secrets = self.session.client("secretsmanager")
        secrets.create_secret(Name="mailkeep-news-key", SecretString=KEY)
        made = secrets.create_secret(Name="mailkeep-news", SecretString=self.receiver.settings())
        self.notifications = made["ARN"]

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_failure) -> None:
        self.tenant.stop()
        self.receiver.stop()
        self.proxy.stop()
        self.emulator.stop()

    def deploy(self, **parameters: str) -> None:
        """Deploys or updates the stack; the functions reach AWS through the proxy."""
        given = {
            "Arch": "x86_64", "AwsEndpointUrl": self.proxy.url, "ApiRoles": json.dumps({CALLER: ["administrator"]}),
            "NotificationsSecret": self.notifications,
        }  # fmt: skip
        self.outputs = deploy.deploy(self.session, self.stack, self.packages, given | parameters)
        # The emulator takes a parameter's number for a text here, which the real service does not.
        functions = self.session.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            most = int(mapping["ScalingConfig"]["MaximumConcurrency"])
            functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": most})

    def mailkeep(self, *words: str, recovery: bool = False, code: int = 0, **variables: str) -> list[dict]:
        """Runs the program as on a laptop: bucket and key, nothing else. Returns its JSON objects."""
        command = [str(self.programs / "mailkeep"), *words, "--json", "--vault", f"{self.outputs['VaultAddress']}?endpoint={self.emulator.url}"]
        if recovery:
            command += ["--recovery-key-file", str(self.folder / "recovery.key")]
        elif "--kms-key" not in words:
            command += ["--kms-key", self.outputs["KeyArn"]]
        variables = environment(AWS_ENDPOINT_URL=self.emulator.url, **variables)
        done = subprocess.run(command, env=variables, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != code:
            raise AssertionError(f"{words} ended with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def make_vault(self) -> None:
        """What somebody does once, from a laptop."""
        self.mailkeep("init", "--recovery-key-file", str(self.folder / "recovery.key"))
        access = self.tenant.access
        self.mailkeep(
            "connection", "add", CONNECTION, "--tenant", access["tenant_id"], "--client-id", access["client_id"],
            "--login-url", access["base_url"], "--graph-url", access["base_url"],
            MAILKEEP_CLIENT_SECRET=access["client_secret"],
        )  # fmt: skip

    def api(self, method: str, path: str, body=None, status: int | None = None, headers: dict | None = None, token: str = ""):
        """Calls the API, signed, or with a token."""
        url = f"{self.emulator.url}/_aws/execute-api/{self.outputs['HttpApiId']}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = AWSRequest(method, url, data=data, headers={"Content-Type": "application/json"} | (headers or {}))
        keys = Credentials(ACCOUNT["AWS_ACCESS_KEY_ID"], ACCOUNT["AWS_SECRET_ACCESS_KEY"])
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        else:
            SigV4Auth(keys, "execute-api", ACCOUNT["AWS_REGION"]).add_auth(request)
        sent = urllib.request.Request(url, data, dict(request.headers), method=method)
        try:
            with urllib.request.urlopen(sent, timeout=60) as answer:
                code, text = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            code, text = refused.code, refused.read()
        if code != status and not (status is None and 200 <= code < 300):
            raise AssertionError(f"{method} {path}: {code} {text.decode()}")
        return json.loads(text) if text else None

    def invoke(self, function: str, event: dict | None = None):
        """Calls a function as its schedule does; gives its answer."""
        functions = self.session.client("lambda")
        names = [it["FunctionName"] for it in functions.list_functions()["Functions"]]
        name = next(name for name in names if f"-{function}-" in name)
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event or {}))
        text = answer["Payload"].read()
        assert "FunctionError" not in answer, text
        return json.loads(text)

    def pages(self, path: str) -> list[dict]:
        """All entries of a list."""
        found, cursor = [], None
        while True:
            mark = "&" if "?" in path else "?"
            page = self.api("GET", f"{path}{mark}cursor={cursor}" if cursor else path)
            found += page["data"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    def job(self, name: str, **more) -> str:
        """Makes a job; returns its id."""
        definition = {
            "name": name, "connection": CONNECTION, "storage": "main", "concurrent_mailboxes": 10,
            "items": {"sensitive_items": True},
        } | more  # fmt: skip
        return self.api("POST", "/v1/jobs", definition, 201)["id"]

    def run(self, job: str, number: int) -> dict | None:
        """A run, once it is there."""
        runs = [run for run in self.pages(f"/v1/jobs/{job}/runs") if run["run"] == number]
        return runs[0] if runs else None

    def ended(self, job: str, number: int, seconds: float) -> dict:
        """Waits for the end of a run."""

        def look():
            run = self.run(job, number)
            return run if run and run["ended_at"] else None

        try:
            return until(f"run {number} of {job} ends", seconds, look, 0.5)
        except AssertionError:
            print(json.dumps(self.pages(f"/v1/jobs/{job}/runs"))[:3000], file=sys.stderr)
            print(json.dumps(self.pages(f"/v1/jobs/{job}/runs/{number}/tasks"))[:6000], file=sys.stderr)
            raise

    def tasks(self, job: str, number: int) -> list[dict]:
        return self.pages(f"/v1/jobs/{job}/runs/{number}/tasks")

    def depth(self, output: str) -> int:
        """Messages in a queue, received or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.session.client("sqs").get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=names)
        return sum(int(count) for count in found["Attributes"].values())

    def check_vault(self) -> None:
        """Everything that the tenant has is in the vault, once, and nothing else."""
        self.mailkeep("verify", "--full", "--source")

    def check_vault_of(self, addresses: list[str]) -> None:
        """The same for some mailboxes."""
        chosen = [word for address in addresses for word in ("--mailbox", address)]
        self.mailkeep("verify", "--full", "--source", *chosen)

    def task_record(self, job: str, number: int) -> dict:
        """The first task of a run as the table has it."""
        found = self.session.client("dynamodb").query(
            TableName=self.outputs["TableName"],
            KeyConditionExpression="pk = :run and begins_with(sk, :task)",
            ExpressionAttributeValues={":run": {"S": f"run/{job}/{number:010}"}, ":task": {"S": "task/"}},
        )
        return json.loads(found["Items"][0]["body"]["B"])
