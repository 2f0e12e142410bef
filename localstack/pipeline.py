#!/usr/bin/env python3
"""The whole product on an AWS emulator, with the real programs of the functions.

    localstack/run             deploys, makes a job by the API, lets the schedule fire, shows runs, items, a restored mail and an export
    localstack/run --keep      the same, and everything goes on running until Ctrl-C
    localstack/run --check     the same, and then everything that can go wrong
"""

import argparse
import pathlib
import shutil
import time

from stack import scenarios
from stack.processes import REPOSITORY
from stack.world import World


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="folder with the programs")
    parser.add_argument("--ministack", type=pathlib.Path, required=True, help="the emulator's program")
    parser.add_argument("--folder", type=pathlib.Path, default=REPOSITORY / "target" / "localstack", help="for logs, packages and keys")
    parser.add_argument("--port", type=int, default=0, help="port of the emulator; any free one unless given")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", nargs="*", default=[], help="names of scenarios")
    arguments = parser.parse_args()
    # The programs run in another folder.
    for name in ("programs", "ministack", "folder"):
        setattr(arguments, name, getattr(arguments, name).absolute())
    shutil.rmtree(arguments.folder, ignore_errors=True)
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)

    with World(arguments.programs, arguments.ministack, arguments.folder, 4, 12, arguments.port) as world:
        say("packages: " + ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in world.sizes.items()))
        world.deploy(WorkerTimeoutSeconds="60", SchedulerTimeoutSeconds="10", LeaseSeconds="6")
        say(f"infra/template.yaml is deployed at {world.emulator.url}")
        world.make_vault()
        say(f"the vault is made: {world.outputs['VaultAddress']}")
        chosen = scenarios.ALL if arguments.check else [scenarios.whole_way, scenarios.restores_and_exports]
        if arguments.only:
            chosen = [one for one in scenarios.ALL if one.__name__ in arguments.only]
        for scenario in chosen:
            say(f"== {scenario.__name__.replace('_', ' ')}")
            scenario(world, say)
        if arguments.keep:
            api = f"{world.emulator.url}/_aws/execute-api/{world.outputs['HttpApiId']}/v1/jobs"
            say(f"it goes on running; logs are in {arguments.folder}. The API: {api}. Ctrl-C ends it")
            try:
                while True:
                    time.sleep(3600)
            except KeyboardInterrupt:
                pass
    say("done")


if __name__ == "__main__":
    main()
