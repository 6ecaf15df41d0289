"""POST /v1/chat: the next turn of a conversation that refines a wish."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from genrec.chat import write_answer
from genrec.chat.state import MAX_MESSAGE_CHARS, MAX_MESSAGES, read_messages
from genrec.schema import Recommendation
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.routes.recommend import RecommendedItem
from genrec.serving.http.schemas import (
    EXAMPLE_USER,
    About,
    JsonObject,
    LongText,
    RequestBody,
    Service,
    UserRequest,
)
from genrec.serving.query import Query

router = APIRouter(tags=["recommend"])


class ChatMessage(RequestBody):
    """What was said, and by whom."""

    role: Literal["user", "assistant"]
    content: Annotated[LongText, Field(max_length=MAX_MESSAGE_CHARS)]


class ChatRequest(UserRequest):
    """A conversation so far, the user's newest message last."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "user_id": EXAMPLE_USER,
                "messages": [{"role": "user", "content": "a grinder under 50, not that brand"}],
            }
        }
    )

    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    state: JsonObject | None = Field(
        None, description="Of the answer before; nothing of a conversation is kept here."
    )
    k: Annotated[int, Field(ge=1, strict=True, description="How many items at most.")] = 5
    about: About | None = Field(None, description="In place of what is known of the user.")


class ChatResponse(BaseModel):
    """The next turn."""

    recommendation_id: str | None = Field(description="As of /v1/recommend; null: nothing shown.")
    text: str = Field(description="The answer in words, which name no other items than these.")
    items: list[RecommendedItem] = Field(
        description="They exist and keep what was said; fewer than `k` where that leaves fewer."
    )
    state: dict[str, Any] = Field(description="To be sent back with the next message.")
    unread: list[str] = Field(description="What was said that cannot be kept, and why.")
    introduced_by: Literal["model", "nobody"] = Field(
        description="Whether a chat model (GENREC_TALK) wrote sentences in front of the list."
    )


@router.post("/v1/chat", responses=describe_errors(404, 400, 413, 422, 503))
async def chat(body: ChatRequest, service: Service) -> ChatResponse:
    """Answer with items under all that was surely said; other words are looked for."""
    messages = read_messages([message.model_dump() for message in body.messages])
    recommender = service.loaded.recommender
    # The first one reads the catalogue's names.
    said, unread = await run_sync(lambda: recommender.chat_reader.read_all(messages, body.state))
    knows = recommender.table.knows
    query = Query(
        body.user_id,
        [event.to_event(service.now) for event in body.events or ()],
        # An item that was turned down may have left the catalogue since.
        exclude=[item_id for item_id in said.excluded if knows(item_id)],
        filters=said.filters,
        query=said.query,
        about=body.about,
    )
    live = await service.look_up(query)
    plan = await service.rules.plan([], body.user_id)
    steering = await service.preferences.steering(live.preferences, body.preferences)
    asked = await service.request(query, live, plan, steering)
    if steering is not None and (of_user := steering.rules([asked.request], body.k)):
        plan = await service.rules.plan([], body.user_id, of_user)
    left = min(body.k, service.lists.num_left(asked.request))
    kept, items = None, list[Recommendation]()
    if left:
        found = await service.lists.recommend(asked.request, left, plan)
        kept, items = await service.keep_impression(asked, found), list(found.items)
    answer = write_answer(items, body.k, said, unread)
    answer = await service.talk.introduce(answer, messages, recommender.chat_reader)
    return ChatResponse(
        recommendation_id=kept,
        text=answer.text,
        items=[RecommendedItem.of(item) for item in items],
        state=answer.state.model_dump(mode="json"),
        unread=unread,
        introduced_by=answer.introduced_by,
    )
