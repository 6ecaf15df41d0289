"""/v1/items: the catalogue, and new items."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from genrec.schema import Item
from genrec.serving.errors import NotFound, quote
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import Identifier, LongText, RequestBody, Service, ShortText

router = APIRouter(tags=["items"])


class ListedItem(BaseModel):
    """A listed item; `title` is what to print for it."""

    item_id: str
    title: str
    brand: str | None
    categories: list[str]


class ItemsResponse(BaseModel):
    """Matching items."""

    items: list[ListedItem]


class ItemResponse(ListedItem):
    """One item, with its semantic ID and the name of the interest it belongs to."""

    description: str | None
    semantic_id: list[int]
    interest: str


class NewItem(RequestBody):
    """An item to add; all its text helps to choose its semantic ID."""

    item_id: Identifier
    title: ShortText | None = None
    brand: ShortText | None = None
    categories: list[ShortText] = Field([], max_length=20, description="Coarse to fine.")
    description: LongText | None = None
    text: LongText | None = Field(None, description='Anything else, as lines "name: value".')


class NewItemsRequest(RequestBody):
    """Items to add."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {
                        "item_id": "N001",
                        "title": "Fernpaw Puppy Nail File",
                        "brand": "Fernpaw",
                        "categories": ["Pets", "Dogs", "Grooming"],
                    }
                ]
            }
        }
    )

    items: list[NewItem] = Field(min_length=1)


class AddedItem(BaseModel):
    """An item's semantic ID; `new` is false where it was there before and keeps its ID."""

    item_id: str
    semantic_id: list[int]
    new: bool


class NewItemsResponse(BaseModel):
    """The items, in the order given, each once."""

    items: list[AddedItem]


@router.get("/v1/items", responses=describe_errors(422, 503))
async def list_items(
    service: Service,
    query: Annotated[
        ShortText, Query(description="Words of the ID, title, brand or categories.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> ItemsResponse:
    """Find items; those added while serving come first."""
    return ItemsResponse(items=[_listed(item) for item in await service.find_items(query, limit)])


@router.put("/v1/items", responses=describe_errors(400, 413, 422, 503))
async def put_items(body: NewItemsRequest, service: Service) -> NewItemsResponse:
    """Give new items the nearest free semantic ID; they can be recommended from the next call on.

    An item that is there already stays as it is.
    """
    items = [
        Item(new.item_id, new.title, new.brand, tuple(new.categories), new.description, new.text)
        for new in body.items
    ]
    added = await service.add_items(items)
    return NewItemsResponse(
        items=[
            AddedItem(item_id=item.item_id, semantic_id=list(codes), new=new)
            for item, codes, new in added
        ]
    )


@router.get("/v1/items/{item_id:path}", responses=describe_errors(404, 422, 503))
async def get_item(
    item_id: Annotated[Identifier, Path(description="External ID.")], service: Service
) -> ItemResponse:
    """Return one item."""
    recommender = service.loaded.recommender
    if not recommender.knows(item_id):
        raise NotFound(
            "unknown_item",
            f"no item {quote(item_id)}; IDs are case-sensitive, and PUT /v1/items adds new ones",
        )
    item, codes = recommender.item(item_id), recommender.codes_of(item_id)
    return ItemResponse(
        **_listed(item).model_dump(),
        description=item.description,
        semantic_id=list(codes),
        interest=recommender.name_of(codes),
    )


def _listed(item: Item) -> ListedItem:
    return ListedItem(
        item_id=item.item_id,
        title=item.label,
        brand=item.brand,
        categories=list(item.categories),
    )
