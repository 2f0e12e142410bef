"""Restores and exports, asked for by the API and carried out by the functions."""

import hashlib
import io
import json
import urllib.error
import urllib.request
import zipfile

from .processes import until
from .world import CONNECTION, World


def restores_and_exports(world: World, say) -> None:
    """A restore into another mailbox and an export, by the API: planned, confirmed, carried out; the export's link
    is downloaded and holds the mail."""
    ann, bob = world.tenant.addresses()[:2]
    folder = "Brought back by the API"
    done = restore(world, ann, bob, folder)
    say(f"restore: {done['done']['created']} mails of {ann} are in the mailbox of {bob}, asked for by {done['asked_by']}")
    export = export_of(world, ann)
    files = files_of(world, export)
    mails = mails_in(files)
    assert sorted(mails) == sorted(on_a_laptop(world, ann, "by-hand")), "the export holds something else than the vault"
    assert len(mails) == export["done"]["created"] > 0, export
    say(f"export: {len(files)} files by their links, with the same {len(mails)} mails as an export on a laptop")
    path = f"/v1/exports/{export['id']}"
    link = world.api("POST", f"{path}/parts/1/link", {"valid_seconds": 600})
    world.api("POST", f"{path}/cancel")
    until("the files of the cancelled export are deleted", 60, lambda: not objects(world, export["id"]))
    try:
        download(link)
        raise AssertionError("the file of a cancelled export was downloaded")
    except urllib.error.HTTPError as refused:
        assert refused.code == 404, refused
    told = {entry["operation"]: entry for entry in world.pages("/v1/audit?limit=200")}
    for operation in ("createRestore", "confirmRestore", "createExport", "linkExportPart", "cancelExport"):
        assert told[operation]["outcome"] == "done", operation
    say("the cancelled export's files are gone, and all of it is in the audit log")


def restore(world: World, source: str, target: str, folder: str, ask=None) -> dict:
    """Has everything of one mailbox written into a new folder of another one. Gives what the API says in the end."""
    ask = ask or world.api
    before = len(world.tenant.items(target))
    body = {
        "mailbox": source, "purpose": "shown on an emulator",
        "target": {"connection": CONNECTION, "mailbox": target, "placement": {"new_folder": {"name": folder}}},
    }  # fmt: skip
    made = ask("POST", "/v1/restores", body)
    path = f"/v1/restores/{made['id']}"
    planned = followed(world, path, lambda it: it["waits_for_confirmation"])
    # Nothing is written before somebody confirms it.
    assert len(world.tenant.items(target)) == before
    assert planned["plan"]["to_create"] > 0 and planned["new_folder"] == folder, planned
    ask("POST", f"{path}/confirm", None)
    done = followed(world, path, lambda it: it["ended_at"])
    assert done["state"]["code"] == "completed", done
    brought = done["done"]["created"] + done["done"]["already_there"]
    assert brought == planned["plan"]["to_create"] and done["done"]["failed"] == 0, done
    assert len(world.tenant.items(target)) == before + brought, "something is there twice, or missing"
    assert not world.tenant.ask("sent"), "a restore sent mail"
    return done


def export_of(world: World, address: str, ask=None) -> dict:
    """Has a mailbox exported. Gives what the API says in the end."""
    made = (ask or world.api)("POST", "/v1/exports", {"mailbox": address, "is_confirmed": True})
    done = followed(world, f"/v1/exports/{made['id']}", lambda it: it["ended_at"])
    assert done["is_ready"], done
    return done


def files_of(world: World, export: dict) -> list[bytes]:
    """The files of an export, by their links, without credentials."""
    path, files = f"/v1/exports/{export['id']}", []
    for part in world.pages(f"{path}/parts"):
        link = world.api("POST", f"{path}/parts/{part['number']}/link", {"valid_seconds": 600})
        assert not link["needs_credentials"] and link["part"] == part, link
        body = download(link)
        assert hashlib.sha256(body).hexdigest() == part["sha256"], part
        files.append(body)
    return files


def followed(world: World, path: str, is_there) -> dict:
    """Waits until an operation has come so far."""

    def look():
        try:
            found = world.api("GET", path)
        except AssertionError as refused:
            # Behind faults somebody asks again.
            if any(f": {status} " in str(refused) for status in (500, 502, 503, 504)):
                return None
            raise
        return found if is_there(found) or found["ended_at"] else None

    return until(f"{path} has come so far", 120, look, 0.5)


def download(link: dict) -> bytes:
    with urllib.request.urlopen(link["url"], timeout=30) as answer:
        return answer.read()


def mails_in(files: list[bytes]) -> list[str]:
    """Hashes of the mails in the archives. The last file is the list of all."""
    *archives, manifest = files
    listed = json.loads(manifest)
    assert [part["sha256"] for part in listed["parts"]] == [hashlib.sha256(archive).hexdigest() for archive in archives]
    found = []
    for archive in archives:
        with zipfile.ZipFile(io.BytesIO(archive)) as entries:
            found += [hashlib.sha256(entries.read(name)).hexdigest() for name in entries.namelist()]
    return found


def on_a_laptop(world: World, address: str, name: str) -> list[str]:
    """Hashes of the same mails, exported with bucket and key alone."""
    world.mailkeep("export", "--mailbox", address, "--output", name)
    files = [path for path in (world.folder / name).rglob("*") if path.is_file()]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


def objects(world: World, export: str) -> list[str]:
    found = world.session.client("s3").list_objects_v2(Bucket=world.outputs["BucketName"], Prefix=f"exports/{export}/")
    return [entry["Key"] for entry in found.get("Contents", [])]
