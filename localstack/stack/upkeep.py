"""What goes on beside backups: retention, news, dead letters that are brought back."""

import json

from .processes import until
from .proxy import Rule
from .world import World


def retention(world: World, say) -> None:
    """The function retention lets go of what no policy keeps, mailbox after mailbox, and of nothing else."""
    address = world.tenant.addresses()[-1]
    gone = world.tenant.items(address)[-1]
    world.tenant.tell("delete_mail", mailbox=address, item=gone["id"])
    job = world.job("deletion", scope={"mailboxes": {"chosen": [address]}})
    for number in (1, 2):
        world.api("POST", f"/v1/jobs/{job}/run", {})
        run = world.ended(job, number, 60)
        if run["state"]["code"] == "completed":
            break
        # What else goes on here may have taken the mailbox or the emulator's time: said, and tried again once.
        say(f"run {number} of the backup ended as {run['state']}: {world.tasks(job, number)}")
    assert run["state"]["code"] == "completed", run
    mailbox = next(it["id"] for it in world.pages("/v1/mailboxes") if it["owner"]["address"] == address)

    def items(is_deleted: bool) -> list[str]:
        found = world.pages(f"/v1/mailboxes/{mailbox}/items?deleted=true&limit=200")
        return sorted(it["id"] for it in found if it["is_deleted"] == is_deleted)

    until("the API shows the deletion", 30, lambda: items(True), 1)
    there, deleted = items(False), items(True)
    mailboxes = len(world.pages("/v1/mailboxes"))
    # Without a policy everything is kept for ever.
    assert world.invoke("Retention") == {"mailboxes": mailboxes, "continued": False}
    assert items(True) == deleted
    world.mailkeep("policy", "set", "--keep", "0d", "--mailbox", address)
    assert world.invoke("Retention") == {"mailboxes": mailboxes, "continued": False}
    until("what was deleted is let go of", 30, lambda: items(True) == [], 1)
    assert items(False) == there, "retention let go of something that is still there"
    world.check_vault_of([address])
    # A pass that ran out of time goes on by a message.
    queue = next(url for url in world.session.client("sqs").list_queues()["QueueUrls"] if "RetentionQueue" in url)
    world.outputs["RetentionQueueUrl"] = queue
    world.session.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps({"after": mailbox}))
    until("a pass goes on by its message", 60, lambda: world.depth("RetentionQueueUrl") == 0)
    world.mailkeep("policy", "reset", "--mailbox", address)
    say(f"retention let go of {len(deleted)} deleted mails of {address}, and of nothing else")


def somebody_is_told(world: World, say) -> None:
    """The function notifier, woken by its schedule, tells a webhook what became of every run so far."""
    told = world.receiver.news
    jobs = {job["id"]: job["name"] for job in world.pages("/v1/jobs")}
    ended = {(job, run["run"]) for job in jobs for run in world.pages(f"/v1/jobs/{job}/runs") if run["ended_at"]}

    def named() -> set[str]:
        return {entry["job_name"] for message in told for entry in message["news"]}

    until("the webhook was told of every job", 90, lambda: {jobs[job] for job, _ in ended} <= named(), 1)
    assert all(message["is_signed"] and not message["is_test"] for message in told), told
    ids = [entry["id"] for message in told for entry in message["news"]]
    assert len(ids) == len(set(ids)), "something was told twice"
    listed = {entry["id"] for entry in world.pages("/v1/events?limit=200")}
    assert set(ids) <= listed, "something was told that is not listed"
    say(f"the webhook got {len(told)} signed messages about {len(named())} jobs")


def redrive(world: World, say) -> None:
    """A message that became a dead letter is brought back when the cause is mended, and its task is done: once."""
    world.deploy(MaxReceives="2", LeaseSeconds="20")
    address = world.tenant.addresses()[0]
    job = world.job("redriven", scope={"mailboxes": {"chosen": [address]}})
    refusal = '{"__type":"com.amazon.coral.validate#ValidationException","message":"a record that no version can write"}'
    cause = Rule("dynamodb", 400, refusal, operation="TransactWriteItems", contains=b'"leases"')
    # Somebody who brings messages back must be faster than the planner, which ends their tasks as failed.
    denied = '{"__type":"com.amazonaws.sqs#KmsThrottled","message":"not now"}'
    name = world.outputs["DeadLetterQueueUrl"].rsplit("/", 1)[-1].encode()
    blind = Rule("sqs", 400, denied, operation="ReceiveMessage", contains=name)
    with world.proxy.lock:
        world.proxy.sent.clear()
        world.proxy.rules = [cause, blind]
    world.api("POST", f"/v1/jobs/{job}/run", {})
    letter = until("its message is a dead letter", 90, lambda: dead_letter(world, job))
    world.proxy.rules = [blind]
    bring_back(world, letter)
    until("the task is done", 60, lambda: world.tasks(job, 1)[0]["state"]["code"] == "completed", 0.5)
    world.proxy.rules = []
    world.api("POST", f"/v1/jobs/{job}/activate")
    run = world.ended(job, 1, 60)
    assert run["state"]["code"] == "completed" and run["tasks_failed"] == 0, run
    with world.proxy.lock:
        sent = [entry for batch in world.proxy.sent for entry in json.loads(batch)["Entries"] if job in entry["MessageBody"]]
    assert len(sent) == 1, f"its message was sent {len(sent)} times: not the redrive healed it"
    say("a dead letter was brought back, and its task is done")
    world.deploy(MaxReceives="6", LeaseSeconds="6")


def dead_letter(world: World, about: str) -> dict | None:
    """The dead letter that names this. Others, which scenarios before left, are removed."""
    queue, url = world.session.client("sqs"), world.outputs["DeadLetterQueueUrl"]
    for message in queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        if about in message["Body"]:
            return message
        queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return None


def bring_back(world: World, letter: dict) -> None:
    """What a redrive of SQS does, which the emulator does not have: the message goes back to where it was."""
    queue = world.session.client("sqs")
    queue.send_message(QueueUrl=world.outputs["TaskQueueUrl"], MessageBody=letter["Body"])
    queue.delete_message(QueueUrl=world.outputs["DeadLetterQueueUrl"], ReceiptHandle=letter["ReceiptHandle"])
