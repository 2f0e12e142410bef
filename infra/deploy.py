#!/usr/bin/env python3
"""Deploys mailkeep into an AWS account, or updates it.

    infra/deploy [--stack NAME] [--packages FOLDER] [Parameter=Value ...]

Account and region come from the usual AWS environment (AWS_PROFILE, AWS_REGION, ...). Packages go into a bucket of their
own (NAME-code-ACCOUNT-REGION), under a name that changes with their content. Parameters are those of infra/template.yaml;
an update keeps those that are not given.
"""

import argparse
import hashlib
import pathlib
import sys
import time

import boto3
from botocore.exceptions import ClientError

HERE = pathlib.Path(__file__).resolve().parent
TEMPLATE = HERE / "template.yaml"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


def code_bucket(session, stack: str) -> str:
    """The bucket of the packages, made when it is missing."""
    account = session.client("sts").get_caller_identity()["Account"]
    region = session.region_name
    name = f"{stack}-code-{account}-{region}"
    s3 = session.client("s3")
    try:
        s3.head_bucket(Bucket=name)
    except ClientError:
        # us-east-1 is the one region that must not be named.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **where)
        s3.put_public_access_block(
            Bucket=name,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
    return name


def upload(session, bucket: str, packages: pathlib.Path) -> str:
    """Uploads packages and template; returns what their names begin with."""
    files = sorted(packages.glob("*.zip"))
    if not files:
        sys.exit(f"{packages} has no packages; infra/build makes them")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
    prefix = f"{digest.hexdigest()[:16]}/"
    s3 = session.client("s3")
    for file in files:
        s3.upload_file(str(file), bucket, prefix + file.name)
    s3.upload_file(str(TEMPLATE), bucket, prefix + "template.yaml")
    return prefix


def stack_of(cloudformation, name: str):
    """The stack, if there is one."""
    try:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def wait(cloudformation, name: str) -> dict:
    """Waits until the stack rests; ends the program when it failed."""
    while True:
        stack = stack_of(cloudformation, name)
        status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
        if not status.endswith("_IN_PROGRESS"):
            break
        time.sleep(0.5 if "127.0.0.1" in cloudformation.meta.endpoint_url else 5)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
            if event["ResourceStatus"].endswith("_FAILED"):
                print(event["LogicalResourceId"], event.get("ResourceStatusReason", ""), file=sys.stderr)
        sys.exit(f"the stack {name} is {status}")
    return stack


def deploy(session, stack: str, packages: pathlib.Path, given: dict[str, str]) -> dict[str, str]:
    """Makes or updates the stack. Returns its outputs."""
    bucket = code_bucket(session, stack)
    prefix = upload(session, bucket, packages)
    cloudformation = session.client("cloudformation")
    present = stack_of(cloudformation, stack)
    given = given | {"CodeBucket": bucket, "CodePrefix": prefix}
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    known = cloudformation.validate_template(TemplateBody=TEMPLATE.read_text())["Parameters"] if not present else []
    unknown = set(given) - {parameter["ParameterKey"] for parameter in known} if known else set()
    if unknown:
        sys.exit(f"the template has no parameters {sorted(unknown)}")
    call = {
        "StackName": stack,
        "TemplateURL": template_url(session, bucket, prefix),
        "Capabilities": CAPABILITIES,
    }
    if present is None:
        cloudformation.create_stack(Parameters=parameters, **call)
    else:
        for parameter in present["Parameters"]:
            if parameter["ParameterKey"] not in given:
                parameters.append({"ParameterKey": parameter["ParameterKey"], "UsePreviousValue": True})
        try:
            cloudformation.update_stack(Parameters=parameters, **call)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
    rests = wait(cloudformation, stack)
    return {output["OutputKey"]: output["OutputValue"] for output in rests["Outputs"]}


def template_url(session, bucket: str, prefix: str) -> str:
    """Where CloudFormation finds the template."""
    endpoint = session.client("s3").meta.endpoint_url
    if "amazonaws.com" in endpoint:
        domain = endpoint.split("://", 1)[1].removeprefix("s3.")
        return f"https://{bucket}.s3.{domain}/{prefix}template.yaml"
    return f"{endpoint}/{bucket}/{prefix}template.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="mailkeep")
    parser.add_argument("--packages", type=pathlib.Path, default=HERE.parent / "target" / "packages" / "arm64")
    parser.add_argument("parameters", nargs="*", metavar="Parameter=Value")
    arguments = parser.parse_args()
    given = {}
    for parameter in arguments.parameters:
        key, found, value = parameter.partition("=")
        if not found:
            parser.error(f"{parameter} is no Parameter=Value")
        given[key] = value
    for name, value in deploy(boto3.Session(), arguments.stack, arguments.packages, given).items():
        print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
