"""``radresp methods``: everything registered, with settings and defaults."""

from __future__ import annotations

from radresp import pipeline
from radresp.cli.common import DebugFlag, JsonFlag, running


def methods_command(as_json: JsonFlag = False, debug: DebugFlag = False) -> None:
    """List all methods with their settings, ranges and defaults."""
    with running("methods", as_json=as_json, debug=debug) as run:
        rooms = pipeline.describe_methods()
        run.result = {"rooms": rooms}
        for room, found in rooms.items():
            run.say(room)
            for name, described in found.items():
                run.say(f"  {name}: {described['summary']}")
                for setting in described["settings"]:
                    run.say(
                        f"      {setting['name']} = {setting['default']}  {setting['description']}"
                    )
