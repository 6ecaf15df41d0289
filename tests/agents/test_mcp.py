"""The SDK's own client against the tools, and these against a real gateway on the little shop."""

import sys
import threading
import time

import anyio
import pytest
import uvicorn
from mcp import Client, StdioServerParameters
from pydantic import SecretStr

from genrec.agents.gateway import Gateway
from genrec.agents.tools import make_server
from genrec.errors import ConfigError
from genrec.serving.http.app import create_app
from genrec.serving.http.security.keys import hash_key, make_key
from genrec.serving.settings import Settings
from tests.conftest import ROOT
from tests.free_port import free_port

KEY, OTHER = make_key(), make_key()
TOOLS = {
    *(
        "recommend",
        "ask",
        "chat",
        "explain",
        "interests",
        "similar",
        "search_catalogue",
        "post_event",
    ),
    *("set_preferences", "clear_preferences"),
}


def serve(app, port):
    """Run an application in a thread; return its server once it listens."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    return server, thread


@pytest.fixture(scope="module")
def url(shop_run, tmp_path_factory):
    """The address of a gateway that asks for a key."""
    settings = Settings(
        run=shop_run,
        device="cpu",
        threads=1,
        store=SecretStr(f"sqlite:///{tmp_path_factory.mktemp('store')}/store.db"),
        rate_limit_per_s=0,
        api_keys=SecretStr(f"one:{hash_key(KEY)}"),
    )
    port = free_port()
    server, thread = serve(create_app(settings), port)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def call(server, name, **arguments):
    """Call one tool with the SDK's client; return its answer, or the words of its error."""

    async def run():
        async with Client(server) as client:
            result = await client.call_tool(name, arguments)
            return result.content[0].text if result.is_error else result.structured_content

    return anyio.run(run)


def test_the_tools_are_typed_and_described(url):
    async def run():
        async with Client(make_server(Gateway(url, KEY))) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in anyio.run(run)}
    assert set(tools) == TOOLS
    for tool in tools.values():
        assert tool.description and "context" not in tool.input_schema["properties"]
        assert all(
            "type" in each or "anyOf" in each for each in tool.input_schema["properties"].values()
        )
    assert tools["recommend"].input_schema["required"] == ["user_id"]
    assert tools["recommend"].annotations.read_only_hint
    assert not tools["post_event"].annotations.read_only_hint


def test_every_tool_answers_as_the_gateway_does(url, shop):
    server = make_server(Gateway(url, KEY))
    answer = call(server, "recommend", user_id="u1", k=4)
    found = [item["item_id"] for item in answer["items"]]
    assert found == [item.item_id for item in shop.recommend("u1", k=4)]
    assert all("reason" in item for item in answer["items"])
    kept = call(
        server, "recommend", user_id="u1", k=2, filters={"brand": "Acme"}, rules=[{"pin": ["i7"]}]
    )
    assert len(kept["items"]) == 2
    assert call(server, "explain", user_id="u1", item_id=found[0])["item_id"] == found[0]
    alike = call(server, "similar", item_id="i2", k=3, filters={"categories": "Garden"})["items"]
    assert len(alike) == 3
    listed = call(server, "search_catalogue", query="tea", limit=2)["items"]
    assert len(listed) == 2 and all("Tea" in item["categories"] for item in listed)
    new = {"user_id": "new one/ü", "item_id": "i3", "event_type": "liked", "event_id": "e1"}
    assert call(server, "post_event", **new) == {"accepted": 1, "duplicates": 0}
    assert call(server, "post_event", **new) == {"accepted": 0, "duplicates": 1}
    searched = {"user_id": "new one/ü", "event_type": "search", "text": "pots"}
    assert call(server, "post_event", **searched) == {"accepted": 1, "duplicates": 0}
    never = [{"never": {"categories": "Tea"}}]
    said = call(server, "set_preferences", user_id="new one/ü", preferences=never)
    assert said["preferences"] == never
    known = call(server, "interests", user_id="new one/ü")
    assert known["interests"][0]["want"] == "never"
    found = call(server, "recommend", user_id="new one/ü", k=5)["items"]
    assert not any("Tea" in shop.item(one["item_id"]).categories for one in found)
    assert call(server, "clear_preferences", user_id="new one/ü") == {}


def test_a_wish_and_a_conversation(url, shop):
    server = make_server(Gateway(url, KEY))
    for user, asked in (("u1", {"users": "u1"}), (None, {"events": []})):
        found = call(server, "ask", query="coffee", user_id=user, k=3)["items"]
        expected = shop.recommend(query="coffee", k=3, **asked)
        assert [one["item_id"] for one in found] == [one.item_id for one in expected]
    only = call(server, "ask", query="tea", k=2, filters={"brand": "Acme"}, about="I garden")
    assert {shop.item(one["item_id"]).brand for one in only["items"]} == {"Acme"}
    first = call(server, "chat", message="under 20", user_id="u1", k=4)
    second = call(server, "chat", message="not that brand", state=first["state"], k=4)
    gone = shop.item(first["items"][0]["item_id"]).brand
    assert second["items"] and second["text"].startswith(("Here", "Only"))
    for one in second["items"]:
        item = shop.item(one["item_id"])
        assert item.brand != gone and item.attributes["price"] < 20
    assert "send back the state" in call(server, "chat", message="tea", state={"no": 1})
    assert "query" in call(server, "ask", query=" ")


def test_what_the_gateway_refuses_is_told_in_its_words(url):
    server = make_server(Gateway(url, KEY))
    assert "unknown_user" in call(server, "recommend", user_id="nobody")
    assert "k_too_large" in call(server, "recommend", user_id="u1", k=100_000)
    assert "no kind of preference" in call(
        server, "set_preferences", user_id="u1", preferences=[{}]
    )
    assert "user_id" in call(server, "recommend", k=3)
    assert "unauthorized" in call(make_server(Gateway(url)), "recommend", user_id="u1")
    away = make_server(Gateway(f"http://127.0.0.1:{free_port()}"))
    assert "does not answer" in call(away, "interests", user_id="u1")
    with pytest.raises(ConfigError, match="such as http"):
        Gateway("localhost:8080")


def test_over_stdio_as_an_agent_starts_it(url):
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "genrec.cli", "mcp", "--url", url],
        cwd=ROOT,
        env={"GENREC_API_KEY": KEY, "OMP_NUM_THREADS": "1"},
    )
    assert len(call(command, "recommend", user_id="u2", k=3)["items"]) == 3


def test_over_http_a_caller_brings_their_own_key(url):
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    port = free_port()
    server, thread = serve(make_server(Gateway(url, OTHER)).streamable_http_app(), port)
    address = f"http://127.0.0.1:{port}/mcp"

    async def run():
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as http:
            async with Client(streamable_http_client(address, http_client=http)) as client:
                return await client.call_tool("recommend", {"user_id": "u3", "k": 3})

    assert len(anyio.run(run).structured_content["items"]) == 3
    assert "unauthorized" in call(address, "recommend", user_id="u3")
    server.should_exit = True
    thread.join(10)
