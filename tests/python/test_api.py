"""The HTTP API, against its own description, by a property-based client that others wrote.

schemathesis makes requests from the OpenAPI document, right ones and wrong ones, and checks each answer: no server
error, a documented status, content type and schema, nothing without credentials, and nothing that the document forbids.
"""

import json
import os
import subprocess
import sys

import pytest
import requests

SEED = "7"
EXAMPLES = "10"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """`mailkeep serve` with its API over a vault that holds two mailboxes of the simulated tenant."""
    folder = tmp_path_factory.mktemp("api")
    tenant_command = [os.environ["EXCHANGE_SIM_BIN"], "--seed", "5", "--mailboxes", "2", "--items", "20"]
    tenant_process = subprocess.Popen(tenant_command, stdout=subprocess.PIPE)
    tenant = json.loads(tenant_process.stdout.readline())
    environment = {
        "PATH": os.environ["PATH"],
        "MAILKEEP_VAULT": str(folder / "vault"),
        "MAILKEEP_KEY_FILE": str(folder / "vault.key"),
        "MAILKEEP_CLIENT_SECRET": tenant["client_secret"],
    }
    program = os.environ["MAILKEEP_BIN"]

    def run(*words):
        done = subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    run("init", "--new-key-file", str(folder / "vault.key"), "--recovery-key-file", str(folder / "recovery.key"))
    for name in ("simulated", "spare"):
        reach = ("--login-url", tenant["base_url"], "--graph-url", tenant["base_url"])
        run("connection", "add", name, "--tenant", tenant["tenant_id"], "--client-id", tenant["client_id"], *reach)
    run("backup", "--connection", "simulated", "--quiet")
    keys = {
        role: run("api-key", "add", role, "--role", role).strip()
        for role in ("viewer", "operator", "restore_operator", "administrator")
    }
    serve = [program, "serve", "--listen", "127.0.0.1:0", "--workers", "2", "--json"]
    log = open(folder / "serve.log", "w+", encoding="utf-8")
    process = subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    listen = json.loads(process.stdout.readline())["listen"]
    try:
        yield f"http://{listen}", keys
        # It has served all this, and ends as it should.
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        tenant_process.terminate()
        tenant_process.wait()
        log.seek(0)
        assert "panicked" not in log.read()
        log.close()


def ask(service, method, path, **more):
    base, keys = service
    headers = {"Authorization": f"Bearer {keys['administrator']}"}
    answer = requests.request(method, base + path, headers=headers, timeout=30, **more)
    assert answer.ok, (path, answer.text)
    return answer.json()


def values_that_exist(service):
    """For each variable part of a path what is really there, by operation where it matters."""
    mailbox = ask(service, "GET", "/v1/mailboxes")["data"][0]["id"]
    items = ask(service, "GET", f"/v1/mailboxes/{mailbox}/items")["data"]
    job = {"name": "Property", "connection": "simulated", "storage": "main"}
    made = ask(service, "POST", "/v1/jobs", json=job)["id"]
    doomed = ask(service, "POST", "/v1/jobs", json={**job, "name": "Doomed"})["id"]
    target = {"connection": "simulated"}
    restore = ask(service, "POST", "/v1/restores", json={"mailbox": mailbox, "target": target})["id"]
    export = ask(service, "POST", "/v1/exports", json={"mailbox": mailbox, "is_confirmed": True})["id"]
    everywhere = {
        "mailbox": [mailbox, "unknown"],
        "item": [item["id"] for item in items[:3]],
        "job": [made, "unknown"],
        "connection": ["simulated"],
        "storage": ["main", "unknown"],
        "restore": [restore, "unknown"],
        "export": [export, "unknown"],
    }
    elsewhere = {
        "deleteJob": {"job": [doomed]},
        "replaceConnection": {"connection": ["spare"]},
        "deleteConnection": {"connection": ["spare"]},
    }
    return everywhere, elsewhere


def test_answers_are_as_the_document_says(service, tmp_path):
    base, keys = service
    document = requests.get(base + "/v1/openapi.json", timeout=30).json()
    everywhere, elsewhere = values_that_exist(service)
    for methods in document["paths"].values():
        for operation in methods.values():
            known = {**everywhere, **elsewhere.get(operation["operationId"], {})}
            for parameter in operation["parameters"]:
                if parameter["in"] == "path" and parameter["name"] in known:
                    parameter["schema"] = {"type": "string", "enum": known[parameter["name"]]}
    # Connections that lead nowhere are made under one name that nothing else uses.
    document["components"]["schemas"]["NewConnectionInput"]["properties"]["name"] = {"type": "string", "enum": ["made"]}
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    command = [
        os.path.join(os.path.dirname(sys.executable), "schemathesis"),
        "run",
        str(path),
        "--url",
        base,
        "--header",
        f"Authorization: Bearer {keys['administrator']}",
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        EXAMPLES,
        "--seed",
        SEED,
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
        "response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth,negative_data_rejection",
        "--continue-on-failure",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
