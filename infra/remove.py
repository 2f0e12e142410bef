#!/usr/bin/env python3
"""Deletes a stack. Bucket, key and table of jobs are kept; this says where they are.

    infra/remove [--stack NAME] --yes
"""

import argparse
import sys

import boto3

from deploy import stack_of, wait


def remove(session, stack: str) -> dict[str, str]:
    """Deletes the stack. Returns what is kept."""
    cloudformation = session.client("cloudformation")
    present = stack_of(cloudformation, stack)
    if present is None:
        sys.exit(f"there is no stack {stack} in this account and region")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in present["Outputs"]}
    cloudformation.delete_stack(StackName=stack)
    while (left := stack_of(cloudformation, stack)) and left["StackStatus"] != "DELETE_COMPLETE":
        if left["StackStatus"] == "DELETE_FAILED":
            wait(cloudformation, stack)
    return {name: outputs[name] for name in ("VaultAddress", "KeyArn", "TableName")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="mailkeep")
    parser.add_argument("--yes", action="store_true", help="nobody is asked")
    arguments = parser.parse_args()
    if not arguments.yes and input(f"Delete the stack {arguments.stack}? Backups are kept. Type yes: ") != "yes":
        sys.exit("nothing was changed")
    for name, value in remove(boto3.Session(), arguments.stack).items():
        print(f"kept: {name:14} {value}")
    print("Never delete the key: without it only the recovery key opens the vault.")


if __name__ == "__main__":
    main()
