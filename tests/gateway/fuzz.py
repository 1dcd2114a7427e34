"""`make fuzz`: requests made from the gateway's own OpenAPI, right and wrong ones, for minutes.

On PostgreSQL where it can be started, which takes less than SQLite does; a quick worker stands
behind. Fails for a 5xx, for an answer that the OpenAPI does not describe, for one that does not
come, and for anything that the gateway logs with a traceback.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from loopback import Platform, Rules
from src.generation import MEDIA, Delivery, GenerationRequest
from tests.fakes import SMALL
from tests.gateway.clients import GatewayProcess
from tests.gateway.fakes import GreyPipelines, QuickWorker
from tests.gateway.store.postgres import Postgres, missing

ROOT = Path(__file__).parent.parent.parent
SCHEMATHESIS = ROOT / ".venv-fuzz/bin/schemathesis"
CONFIG = Path(__file__).with_name("schemathesis.toml")
#: Rejecting what its schema rejects is not asked of routes that take numbers as strings and more.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
SETTINGS = {"GATEWAY_WAIT_SECONDS": "0.5", "GATEWAY_SYNC_SECONDS": "5"}
#: Seconds that no answer may take: far more than those.
PATIENCE = 30


class Small(GreyPipelines):
    """Takes every request, makes next to nothing of it, and asks no host that it names."""

    def settle(self, request: GenerationRequest) -> GenerationRequest:
        fetched_or_told: dict[str, Any] = dict.fromkeys(MEDIA) | {"delivery": Delivery()}
        return replace(super().settle(request), parameters=SMALL, **fetched_or_told)


def main() -> None:
    """Fuzz, and exit with 1 where something was found."""
    arguments = _arguments()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = dict(SETTINGS)
        if arguments.sqlite or missing():
            _say(f"database: SQLite ({missing() or 'as was asked'})")
        else:
            settings["GATEWAY_DATABASE_URL"] = stack.enter_context(Postgres()).new_database()
            _say("database: PostgreSQL")
        platform = stack.enter_context(Platform(Rules(poll=0.5)))
        stack.enter_context(QuickWorker(platform, pipelines=Small()))
        gateway = stack.enter_context(GatewayProcess(ROOT, platform, folder, **settings))
        code = _fuzz(gateway.url, arguments)
        answers = httpx.get(f"{gateway.url}/healthz", timeout=PATIENCE).status_code
        found = gateway.log().count("Traceback")
        _say(f"{len(platform.jobs)} jobs, {found} tracebacks, /healthz answers {answers}")
        if found:
            _say(gateway.log()[-20_000:])
    sys.exit(1 if code or found or answers != httpx.codes.OK else 0)


def _fuzz(url: str, arguments: argparse.Namespace) -> int:
    command = [str(SCHEMATHESIS), "--config-file", str(CONFIG), "run", f"{url}/openapi.json"]
    command += ["--checks", ",".join(CHECKS)]
    command += ["--header", "Authorization: Bearer fuzz", "--continue-on-failure"]
    command += ["--request-timeout", str(PATIENCE)]
    command += ["--max-time", str(arguments.seconds), "--suppress-health-check", "all"]
    if arguments.seed is not None:
        command += ["--seed", str(arguments.seed)]
    return subprocess.call([*command, *arguments.more], cwd=tempfile.gettempdir())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.gateway.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="how long")
    parser.add_argument("--seed", type=int, help="of the requests that are made")
    parser.add_argument("--sqlite", action="store_true", help="though there is PostgreSQL")
    parser.add_argument("more", nargs="*", help="for schemathesis, behind --")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
