"""What must hold, shown on the deployed stack with the real programs of the functions."""

import json
import time

from .operations import export_of, files_of, mails_in, on_a_laptop, restore, restores_and_exports
from .processes import until
from .proxy import Rule
from .tokens import signed_tokens
from .trouble import Trouble
from .upkeep import redrive, retention, somebody_is_told
from .world import World


def whole_way(world: World, say) -> dict:
    """A job by the API, worked on by the functions, browsed by the API; the schedule alone begins its second run;
    a mail is restored into another mailbox."""
    version = world.api("GET", "/v1/version")
    say(f"the API answers: {json.dumps(version)}")
    job = world.job("everything", idle_time="00:00:05")
    world.api("POST", f"/v1/jobs/{job}/start", {})
    first = world.ended(job, 1, 60)
    assert first["state"]["code"] == "completed", first
    tasks = world.tasks(job, 1)
    addresses = world.tenant.addresses()
    # Accounts without a mailbox have a task, too, which finds nothing to do.
    assert set(addresses) <= {task["address"] for task in tasks}, tasks
    say(f"run 1: {len(tasks)} mailboxes, {first['counters']['items_stored']} items stored")
    mailboxes = {it["owner"]["address"]: it["id"] for it in world.pages("/v1/mailboxes")}
    ann, bob = addresses[:2]
    items = world.pages(f"/v1/mailboxes/{mailboxes[ann]}/items")
    # Hidden folders are left out.
    assert 0 < len(items) <= len(world.tenant.items(ann)), (len(items), len(world.tenant.items(ann)))
    say(f"the API lists {len(items)} items of {ann}")
    started = time.monotonic()
    world.ended(job, 2, 90)
    say(f"run 2 was begun by the schedule, after {time.monotonic() - started:.0f} s")
    world.api("POST", f"/v1/jobs/{job}/stop", {})
    before = len(world.tenant.items(bob))
    done = world.mailkeep("restore", "--mailbox", ann, "--to", bob)
    restored = next(it for it in done if it["type"] == "restore_summary")
    assert restored["restored"] > 0, restored
    assert len(world.tenant.items(bob)) == before + restored["restored"]
    assert not world.tenant.ask("sent"), "a restore sent mail"
    say(f"{restored['restored']} mails of {ann} are in the mailbox of {bob}")
    world.check_vault_of(addresses[2:])
    return {"job": job}


def unchanged(world: World, say) -> None:
    """What a pass over mailboxes costs in which nothing changed."""
    job = world.job("again")
    world.api("POST", f"/v1/jobs/{job}/run", {})
    world.ended(job, 1, 60)
    world.proxy.take_counts()
    world.api("POST", f"/v1/jobs/{job}/run", {})
    world.ended(job, 2, 60)
    counts = world.proxy.take_counts()
    say("an unchanged pass over all mailboxes: " + ", ".join(f"{k} {v}" for k, v in sorted(counts.items())))
    # What the schedule and our own questions add is reads of the table.
    tasks = len(world.tasks(job, 2))
    assert counts["s3 PUT"] == 0 and counts["s3 DELETE"] == 0, counts
    assert counts["s3 GET"] <= 6 * tasks and counts["s3 LIST"] <= 4 * tasks, counts
    # Two for the work on each task, two to make it and to hand it out, and those of the run.
    assert counts["dynamodb TransactWriteItems"] <= 5 * tasks + 10, counts
    assert counts["sqs SendMessageBatch"] <= 2 * tasks + 5, counts
    # A commit is one write, and a run that brought something has a record.
    address = world.tenant.addresses()[-1]
    world.tenant.tell("add_mail", mailbox=address, folder="inbox")
    world.api("POST", f"/v1/jobs/{job}/run", {"scope": {"chosen": [address]}})
    world.ended(job, 3, 60)
    counts = world.proxy.take_counts()
    say(f"one new mail: {counts['s3 PUT']} writes to the bucket")
    assert counts["s3 PUT"] == 2, counts


def faulty_day(world: World, say) -> None:
    """Functions are killed, messages are doubled, the table and the bucket refuse calls and lose answers: everything
    arrives, once."""
    for address in world.tenant.addresses():
        for _ in range(12):
            world.tenant.tell("add_mail", mailbox=address, folder="inbox")
    job = world.job("faulty day", concurrent_mailboxes=3)
    with Trouble(world) as trouble:
        trouble.ask("POST", f"/v1/jobs/{job}/run")
        until("the run ends", 150, lambda: quiet(world, job), 1)
    killed, hits = trouble.killed, trouble.hits
    run = world.ended(job, 1, 60)
    tasks = world.tasks(job, 1)
    say(f"{len(killed)} functions were killed, {hits}: {run['state']['code']}")
    assert all(task["state"]["code"] == "completed" for task in tasks), tasks
    assert run["tasks_ended"] == len(tasks) >= len(world.tenant.addresses()), run
    assert (run["tasks_waiting"], run["tasks_at_work"]) == (0, 0), run
    assert killed.count("Worker") >= 1 and sum(hits.values()) >= 5, (killed, hits)
    world.check_vault()
    # The same messages once more, hours late, are of no use and do no harm.
    late_messages(world)
    assert world.run(job, 1) == run, "an old message changed a run that is over"


def faulty_operations(world: World, say) -> None:
    """The same while a mailbox is restored into another one, and exported: everything arrives, once."""
    ann, bob = world.tenant.addresses()[:2]
    expected = sorted(on_a_laptop(world, ann, "before-trouble"))
    with Trouble(world, seed=9) as trouble:
        done = restore(world, ann, bob, "Through trouble", trouble.ask)
        made = export_of(world, ann, trouble.ask)
    files = files_of(world, made)
    assert sorted(mails_in(files)) == expected, "the export lacks something, or holds something twice"
    say(f"{len(trouble.killed)} functions were killed, {trouble.hits}: {done['done']['created']} mails restored, {len(expected)} exported")
    assert trouble.killed.count("Worker") >= 1 and sum(trouble.hits.values()) >= 5, (trouble.killed, trouble.hits)


def quiet(world: World, job: str):
    try:
        run = world.run(job, 1)
    except AssertionError:
        return None
    return run if run and run["ended_at"] else None


def late_messages(world: World) -> None:
    """Sends messages of tasks again that were sent before."""
    queue = world.session.client("sqs")
    with world.proxy.lock:
        bodies = [entry["MessageBody"] for sent in world.proxy.sent for entry in json.loads(sent)["Entries"] if "dispatch" in entry["MessageBody"]]
    assert bodies
    for body in bodies[-20:]:
        queue.send_message(QueueUrl=world.outputs["TaskQueueUrl"], MessageBody=body)
    until("old messages are dealt with", 60, lambda: world.depth("TaskQueueUrl") == 0)


def long_run(world: World, say) -> None:
    """A mailbox that takes longer than a function may run is finished by several, one after the other."""
    world.deploy(WorkerTimeoutSeconds="10")
    address = world.tenant.addresses()[-1]
    for _ in range(60):
        world.tenant.tell("add_mail", mailbox=address, folder="inbox")
    world.tenant.tell("inject", fault={"kind": {"slow": {"millis": 900}}, "times": 70, "mailbox": address})
    job = world.job("long", scope={"mailboxes": {"chosen": [address]}})
    world.proxy.take_counts()
    world.api("POST", f"/v1/jobs/{job}/run", {})
    run = world.ended(job, 1, 120)
    world.tenant.tell("clear_faults")
    handed_out = world.task_record(job, 1)["dispatch"]
    say(f"a mailbox took {handed_out} functions of 10 s: {run['state']['code']}")
    assert run["state"]["code"] == "completed" and handed_out >= 2, run
    world.check_vault_of([address])
    world.deploy(WorkerTimeoutSeconds="60")


def poison(world: World, say) -> None:
    """What no worker can begin is a dead letter and a task that failed, visibly; a redrive heals it."""
    world.deploy(MaxReceives="2", LeaseSeconds="4")
    queue = world.session.client("sqs")
    queue.send_message(QueueUrl=world.outputs["TaskQueueUrl"], MessageBody="this is none of ours")
    address = world.tenant.addresses()[0]
    job = world.job("poison", scope={"mailboxes": {"chosen": [address]}})
    refusal = '{"__type":"com.amazon.coral.validate#ValidationException","message":"a record that no version can write"}'
    rule = Rule("dynamodb", 400, refusal, operation="TransactWriteItems", contains=b'"leases"')
    world.proxy.rules = [rule]
    world.api("POST", f"/v1/jobs/{job}/run", {})
    until("its message is a dead letter, too", 60, lambda: world.depth("DeadLetterQueueUrl") >= 2)
    # Whatever is asked for wakes the planner; by itself it would look within a minute.
    world.api("POST", f"/v1/jobs/{job}/activate")
    run = world.ended(job, 1, 90)
    world.proxy.rules = []
    task = world.tasks(job, 1)[0]
    say(f"a task that no worker could begin: {task['state']['code']}, {task['message']!r}")
    assert run["tasks_failed"] == 1 and "too often" in task["message"], (run, task)
    until("the message that is none of ours stays a dead letter", 30, lambda: world.depth("DeadLetterQueueUrl") >= 1)
    # Healed: brought back what can be, and those that failed tried again.
    world.api("POST", f"/v1/jobs/{job}/run", {"scope": "failed"})
    healed = world.ended(job, 2, 60)
    say(f"tried again after the cause was mended: {healed['state']['code']}")
    assert healed["state"]["code"] == "completed" and healed["tasks_failed"] == 0, healed
    queue.purge_queue(QueueUrl=world.outputs["DeadLetterQueueUrl"])


def stack_is_gone(world: World, say) -> None:
    """Table and queues are deleted: every backup still lists and restores, with the bucket and the recovery key."""
    listed = world.mailkeep("mailbox", "ls", recovery=True)
    world.session.client("dynamodb").delete_table(TableName=world.outputs["TableName"])
    for name in ("TaskQueueUrl", "DeadLetterQueueUrl"):
        world.session.client("sqs").delete_queue(QueueUrl=world.outputs[name])
    assert world.mailkeep("mailbox", "ls", recovery=True) == listed
    world.mailkeep("drill", recovery=True)
    address = world.tenant.addresses()[2]
    mails = world.tenant.items(address)
    for mail in mails:
        world.tenant.tell("delete_mail", mailbox=address, item=mail["id"])
    done = world.mailkeep("restore", "--mailbox", address, "--placement", "original", recovery=True)
    restored = next(it for it in done if it["type"] == "restore_summary")["restored"]
    assert 0 < restored == len(world.tenant.items(address)) <= len(mails), (restored, len(mails))
    say(f"without table and queues: {len(listed)} lines of mailboxes, {restored} mails restored with bucket and recovery key")


def removed(world: World, say) -> None:
    """Deleting the stack keeps bucket and key."""
    import remove

    kept = remove.remove(world.session, world.stack)
    world.mailkeep("stats", recovery=True)
    say(f"the stack is deleted, the vault is still there: {kept['VaultAddress']}")


ALL = [
    whole_way, restores_and_exports, unchanged, faulty_day, faulty_operations, long_run, poison, redrive, retention,
    somebody_is_told, signed_tokens, stack_is_gone, removed,
]  # fmt: skip
