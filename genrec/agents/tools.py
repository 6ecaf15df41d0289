"""The gateway's questions as tools, typed and described for a model that chooses among them.

A thin client: what a tool takes goes to the gateway as it is, and what it answers comes back as it
is, so keys, limits, rules and checks are the gateway's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from genrec.agents.gateway import Connection, Gateway, GatewayError, in_path

INSTRUCTIONS = """\
Recommends items of one catalogue to its users. Every item that a tool returns exists. Find item IDs
with search_catalogue and names of interests with interests; never make them up.
"""

Answer = dict[str, Any]
Caller = Context[Connection, Any]
UserId = Annotated[str, Field(description="ID of a user who has events.")]
UserIfKnown = Annotated[str | None, Field(description="Who asks, if it is a user who has events.")]
ItemId = Annotated[str, Field(description="ID of an item, as search_catalogue gives it.")]
Count = Annotated[int, Field(ge=1, description="How many items.")]
Filters = Annotated[
    dict[str, Any] | None,
    Field(
        description='What items must be like, such as {"categories": {"any": ["Tea"]}, "price": '
        '{"lte": 20}}; conditions are any, all, none, lt, lte, gt, gte, exists; "not" inverts.'
    ),
]
Preferences = Annotated[
    list[dict[str, Any]],
    Field(
        description='What the user says of themselves: {"more": X}, {"less": X}, {"never": X} or '
        '{"pin": X}, X the name of an interest or a filter, and {"gift": ITEM_ID} for what was '
        "bought for somebody else."
    ),
]
EventType = Annotated[
    str | None,
    Field(
        description='Such as "view" or "purchase"; "liked", "not_interested" and "already_have" '
        "are heeded from the next answer on."
    ),
]


async def recommend(
    context: Caller,
    user_id: UserId,
    k: Count = 10,
    filters: Filters = None,
    preferences: Preferences | None = None,
    rules: Annotated[
        list[str | dict[str, Any]] | None,
        Field(description='What the list must be like, such as {"at_most": 2, "per": "brand"}'),
    ] = None,
    exclude: Annotated[list[str] | None, Field(description="Item IDs never to return.")] = None,
) -> Answer:
    """Recommend exactly k items to a user, each with the reason why.

    Without `preferences`, what the user has said before is heeded.
    """
    body = {"user_id": user_id, "k": k, "filters": filters, "preferences": preferences}
    body |= {"rules": rules, "exclude": exclude, "explain": True}
    return await _ask(context, "POST", "/v1/recommend", body)


async def ask(
    context: Caller,
    query: Annotated[str, Field(description='What is looked for: "something warm for a hike".')],
    user_id: UserIfKnown = None,
    k: Count = 10,
    filters: Filters = None,
    about: Annotated[
        str | None, Field(description="What the user says of themselves; never an order.")
    ] = None,
) -> Answer:
    """Find exactly k items for a wish in words, and for the user who has it."""
    body = {"query": query, **_of_user(user_id), "k": k, "filters": filters, "about": about}
    return await _ask(context, "POST", "/v1/recommend", body | {"explain": True})


async def chat(
    context: Caller,
    message: Annotated[str, Field(description='What the user says: "cheaper, not that brand".')],
    state: Annotated[
        Answer | None,
        Field(description="`state` of the answer before, unchanged; none at the beginning."),
    ] = None,
    user_id: UserIfKnown = None,
    k: Annotated[int, Field(ge=1, description="How many items at most.")] = 5,
) -> Answer:
    """Refine a wish turn by turn: each answer's items exist and keep all that was said so far."""
    messages = [{"role": "user", "content": message}]
    body = {"messages": messages, "state": state, **_of_user(user_id), "k": k}
    return await _ask(context, "POST", "/v1/chat", body)


async def explain(context: Caller, user_id: UserId, item_id: ItemId) -> Answer:
    """Say why an item would be recommended to a user: what each past event does to it."""
    body = {"user_id": user_id, "item_id": item_id}
    return await _ask(context, "POST", "/v1/explain", body)


async def interests(context: Caller, user_id: UserId) -> Answer:
    """Return a user's interests with their receipts, and what the user has said of them.

    Each names its events, since when it is, and who says so: events, the model or the user.
    """
    return await _ask(context, "GET", f"/v1/users/{in_path(user_id)}/preferences")


async def similar(
    context: Caller,
    item_id: ItemId,
    k: Count = 10,
    by: Annotated[
        Literal["both", "text", "behaviour"],
        Field(description="Alike in their words, in what is done with them, or in both."),
    ] = "both",
    filters: Filters = None,
) -> Answer:
    """Find the items most like one."""
    body = {"item_id": item_id, "k": k, "by": by, "filters": filters}
    return await _ask(context, "POST", "/v1/similar", body)


async def search_catalogue(
    context: Caller,
    query: Annotated[str, Field(description="Words of the ID, title, brand or categories.")],
    limit: Annotated[int, Field(ge=1, le=1000, description="Most items.")] = 20,
) -> Answer:
    """Find items by their words, whoever asks."""
    query_of_address = {"query": query, "limit": limit}
    return await _ask(context, "GET", "/v1/items", query=query_of_address)


async def post_event(
    context: Caller,
    user_id: Annotated[str, Field(description="ID of the user; new ones may be used.")],
    item_id: Annotated[
        str | None, Field(description="ID of the item; none where something was looked for.")
    ] = None,
    event_type: EventType = None,
    text: Annotated[
        str | None, Field(description='What was looked for, with the event type "search".')
    ] = None,
    rating: float | None = None,
    review: str | None = None,
    event_id: Annotated[
        str | None, Field(description="Posting the same ID again changes nothing.")
    ] = None,
    recommendation_id: Annotated[
        str | None, Field(description="Of the answer that the event follows.")
    ] = None,
) -> Answer:
    """Store what a user did with an item just now, or looked for; the next answer heeds it."""
    event: Answer = {"user_id": user_id, "item_id": item_id, "event_type": event_type}
    event |= {"text": text, "rating": rating, "review": review, "event_id": event_id}
    event |= {"recommendation_id": recommendation_id}
    given = {name: value for name, value in event.items() if value is not None}
    return await _ask(context, "POST", "/v1/events", {"events": [given]})


async def set_preferences(context: Caller, user_id: UserId, preferences: Preferences) -> Answer:
    """Store what a user says of themselves, in place of all they said before.

    Every later answer heeds it. Contradictions with recent events are told.
    """
    path = f"/v1/users/{in_path(user_id)}/preferences"
    return await _ask(context, "PUT", path, {"preferences": preferences})


async def clear_preferences(context: Caller, user_id: UserId) -> Answer:
    """Take back all that a user has said of themselves."""
    return await _ask(context, "DELETE", f"/v1/users/{in_path(user_id)}/preferences")


def _of_user(user_id: str | None) -> Answer:
    return {"events": []} if user_id is None else {"user_id": user_id}


async def _ask(
    context: Caller,
    method: str,
    path: str,
    body: Answer | None = None,
    query: Answer | None = None,
) -> Answer:
    # Over HTTP a caller may bring a key of their own; over stdio there are no headers.
    key = (context.headers or {}).get("authorization")
    try:
        return await context.request_context.lifespan_context.ask(method, path, body, query, key)
    except GatewayError as error:
        raise ToolError(str(error)) from None


def make_server(gateway: Gateway) -> MCPServer[Connection]:
    """Return a server of the tools; nothing is asked before a tool is called."""

    @asynccontextmanager
    async def connected(_: MCPServer[Connection]) -> AsyncIterator[Connection]:
        async with gateway.connect() as connection:
            yield connection

    server = MCPServer("genrec", instructions=INSTRUCTIONS, lifespan=connected)
    for question in (recommend, ask, chat, explain, interests, similar, search_catalogue):
        server.add_tool(question, annotations=ToolAnnotations(read_only_hint=True))
    server.add_tool(post_event, annotations=ToolAnnotations(destructive_hint=False))
    for change in (set_preferences, clear_preferences):
        idempotent = ToolAnnotations(destructive_hint=True, idempotent_hint=True)
        server.add_tool(change, annotations=idempotent)
    return server
