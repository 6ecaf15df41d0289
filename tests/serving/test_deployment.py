"""Files that start what the gateway needs, read as strictly as can be without Docker."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from genrec.serving.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).parents[2]
SERVE = ROOT / "serve"
INSTRUCTIONS = set(
    "FROM ARG ENV WORKDIR COPY RUN USER VOLUME EXPOSE HEALTHCHECK ENTRYPOINT".split()
)
# Of the Compose specification: every attribute we use, and no other.
TOP_LEVEL = {"name", "services", "volumes"}
SERVICE = {
    *("build", "command", "depends_on", "deploy", "entrypoint", "environment", "healthcheck"),
    *("image", "ports", "profiles", "restart", "volumes"),
}
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:[-?][^}]*)?\}")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((SERVE / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def instructions():
    """The Dockerfile as (instruction, rest) pairs, continued lines joined."""
    lines = [line for line in (SERVE / "Dockerfile").read_text().splitlines() if line[:1] != "#"]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def test_the_dockerfile_holds_known_instructions_in_a_possible_order(instructions):
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    assert instructions[0][0] == "FROM"
    for name, rest in instructions:
        match name:
            case "FROM":
                assert re.fullmatch(r"[\w./-]+:[\w.-]+ AS [a-z]+", rest), "a pinned, named stage"
            case "ENTRYPOINT":
                assert all(isinstance(part, str) for part in json.loads(rest))
            case "HEALTHCHECK":
                assert all(isinstance(part, str) for part in json.loads(rest.partition("CMD ")[2]))
            case "ENV" | "ARG":
                assert all("=" in part for part in shlex.split(rest))
            case "EXPOSE":
                assert rest.isdigit()
            case "WORKDIR" | "VOLUME":
                assert rest.startswith("/")
            case "RUN":
                assert shlex.split(rest) and not rest.endswith(("&&", "\\"))


def test_what_the_dockerfile_copies_is_there_and_not_ignored(instructions):
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    for name, rest in instructions:
        if name == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored


def test_what_the_package_is_built_from_is_copied_into_every_image(instructions):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    built = [*wheel["packages"], *wheel["force-include"], project["project"]["readme"]]
    needed = {"pyproject.toml", *(path.split("/")[0] for path in built)}
    copied = set()
    installs = 0
    for name, rest in instructions:
        if name == "FROM":
            copied = set()
        elif name == "COPY":
            copied |= set(rest.split()[:-1])
        elif name == "RUN" and re.search(r"pip install .*[ \"]\.", rest):
            installs += 1
            assert needed <= copied
    assert installs == 2


def test_the_gateway_does_not_run_as_root_and_its_settings_exist(instructions):
    gateway = instructions[: [name for name, _ in instructions].index("FROM", 1)]
    names = [name for name, _ in gateway]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert dict(gateway)["USER"] != "root"
    for name, rest in gateway:
        if name == "ENV":
            check_settings(part.split("=")[0] for part in shlex.split(rest))


def check_settings(names):
    for name in names:
        if name.startswith(ENV_PREFIX):
            assert name.removeprefix(ENV_PREFIX).lower() in Settings.model_fields, name


def test_compose_names_only_what_exists(compose, instructions):
    assert set(compose) <= TOP_LEVEL
    assert set(compose["services"]) == {"gateway", "vllm", "updater", "postgres", "prometheus"}
    stages = {rest.split()[-1] for name, rest in instructions if name == "FROM"}
    named = set()
    for service in compose["services"].values():
        assert set(service) <= SERVICE
        assert ("build" in service) != ("image" in service)
        if "build" in service:
            assert service["build"]["target"] in stages
            assert (SERVE / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        else:
            assert re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*", service["image"]), "pinned"
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        for volume in service.get("volumes", []):
            source = VARIABLE.sub(lambda found: found[2][2:], volume).split(":")[0]
            if source.startswith("./"):
                assert (SERVE / source).is_file()
            elif not source.startswith("../"):
                named.add(source)
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "nothing is open to the network by itself"
    assert named == set(compose["volumes"])


def test_compose_passes_on_settings_that_exist_and_no_secret(compose):
    text = (SERVE / "compose.yaml").read_text()
    for name, fallback in VARIABLE.findall(text):
        assert fallback, f"{name} has neither a default nor an error"
        assert name != "POSTGRES_PASSWORD" or fallback.startswith(":?")
    for service in compose["services"].values():
        check_settings(service.get("environment", {}))


def test_prometheus_asks_services_of_compose(compose):
    config = yaml.safe_load((SERVE / "prometheus.yml").read_text())
    for job in config["scrape_configs"]:
        for group in job["static_configs"]:
            for target in group["targets"]:
                assert target.partition(":")[0] in compose["services"]


def test_the_documents_list_of_settings_is_the_settings():
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", (ROOT / "docs/serve.md").read_text(), re.MULTILINE
    )
    documented = {name: (default, meaning) for name, default, meaning in rows}
    expected = {}
    for name, field in Settings.model_fields.items():
        default = field.default
        if hasattr(default, "get_secret_value"):
            default = default.get_secret_value()
        if isinstance(default, tuple):
            default = ",".join(default)
        shown = "" if default in (None, "", ()) else f"`{default}`"
        expected[ENV_PREFIX + name.upper()] = (shown, field.description)
    assert documented == expected
