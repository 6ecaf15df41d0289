"""/v1/items: the catalogue; items that come, change and go."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    field_validator,
    model_validator,
)

from genrec.data.item_rows import with_tuples
from genrec.filters.language import MAX_NUMBER
from genrec.schema import Attribute, Item
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import (
    Identifier,
    LongText,
    RequestBody,
    Service,
    ShortText,
    Timestamp,
)
from genrec.serving.service import RecommendationService

router = APIRouter(tags=["items"])

MAX_ATTRIBUTES = 100
MAX_VALUES = 50

AttributeValue = (
    StrictBool
    | StrictInt
    | Annotated[FiniteFloat, Field(strict=True)]
    | ShortText
    | Annotated[list[ShortText], Field(max_length=MAX_VALUES)]
)
ItemId = Annotated[Identifier, Path(description="External ID.")]


class ListedItem(BaseModel):
    """A listed item; `title` is what to print for it."""

    item_id: str
    title: str
    brand: str | None
    categories: list[str]
    retired: bool = Field(description="Whether it is recommended no more.")


class ItemsResponse(BaseModel):
    """Matching items."""

    items: list[ListedItem]


class ItemResponse(ListedItem):
    """One item, with its semantic ID and the name of the interest it belongs to."""

    description: str | None
    attributes: dict[str, Any] = Field(description="Values that filters ask for.")
    semantic_id: list[int]
    interest: str
    available_from: int | None = Field(description="Recommended from this moment on.")
    available_until: int | None = Field(description="Recommended before this moment.")


class ItemWords(RequestBody):
    """What an item says of itself."""

    title: ShortText | None = None
    brand: ShortText | None = None
    categories: list[ShortText] = Field([], max_length=20, description="Coarse to fine.")
    description: LongText | None = None
    text: LongText | None = Field(None, description='Anything else, as lines "name: value".')
    attributes: dict[Identifier, AttributeValue] = Field(
        {},
        max_length=MAX_ATTRIBUTES,
        description='Values that filters ask for, such as `{"price": 12.5}`.',
    )

    @field_validator("attributes")
    @classmethod
    def _within_bounds(cls, attributes: dict[str, Attribute]) -> dict[str, Attribute]:
        for name, value in attributes.items():
            if isinstance(value, int | float) and not -MAX_NUMBER <= value <= MAX_NUMBER:
                raise ValueError(f"'{name}' is beyond ±{MAX_NUMBER:g}; no filter asks for that")
        return attributes


class NewItem(ItemWords):
    """An item to add; all its text helps to choose its semantic ID."""

    item_id: Identifier


class ItemChange(ItemWords):
    """What is to hold of an item from now on; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"title": "Puppy Nail File", "available_until": 1_900_000_000}
        }
    )

    retired: Annotated[bool, Field(strict=True, description="false brings it back.")] = False
    available_from: Timestamp | None = Field(None, description="null: from ever.")
    available_until: Timestamp | None = Field(None, description="null: for ever.")

    @model_validator(mode="after")
    def _changes_something(self) -> ItemChange:
        if not self.model_fields_set:
            raise ValueError("give what is to change")
        return self

    def given(self) -> dict[str, Any]:
        """Return what was given, as the library has it."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if "categories" in given:
            given["categories"] = tuple(given["categories"])
        if "attributes" in given:
            given["attributes"] = with_tuples(given["attributes"])
        return given


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
    retired: Annotated[bool, Query(description="Whether to find retired items too.")] = False,
) -> ItemsResponse:
    """Find items; those added or changed while serving come first."""
    found = await service.items.find(query, limit, retired)
    return ItemsResponse(items=[_listed(item, service) for item in found])


@router.put("/v1/items", responses=describe_errors(400, 413, 422, 503))
async def put_items(body: NewItemsRequest, service: Service) -> NewItemsResponse:
    """Give new items the nearest free semantic ID; they can be recommended from the next call on.

    An item that is there already stays as it is.
    """
    items = [
        Item(
            *(new.item_id, new.title, new.brand, tuple(new.categories), new.description, new.text),
            with_tuples(new.attributes),
        )
        for new in body.items
    ]
    added = await service.items.add(items)
    return NewItemsResponse(
        items=[
            AddedItem(item_id=item.item_id, semantic_id=list(codes), new=new)
            for item, codes, new in added
        ]
    )


@router.get("/v1/items/{item_id:path}", responses=describe_errors(404, 422, 503))
async def get_item(item_id: ItemId, service: Service) -> ItemResponse:
    """Return one item, retired ones too."""
    stored = service.items.stored(item_id)
    recommender = service.loaded.recommender
    item, codes = recommender.item(item_id), recommender.codes_of(item_id)
    return ItemResponse(
        **_listed(item, service).model_dump(),
        description=item.description,
        attributes=dict(item.attributes),
        semantic_id=list(codes),
        interest=recommender.name_of(codes),
        available_from=stored.available_from,
        available_until=stored.available_until,
    )


@router.patch("/v1/items/{item_id:path}", responses=describe_errors(404, 400, 413, 422, 503))
async def patch_item(item_id: ItemId, body: ItemChange, service: Service) -> ItemResponse:
    """Change words or availability of an item, from the next answer on.

    It keeps its semantic ID: what the model learned of it, and histories, mean the same item.
    """
    await service.items.change(item_id, body.given())
    return await get_item(item_id, service)


@router.delete(
    "/v1/items/{item_id:path}", status_code=204, responses=describe_errors(404, 422, 503)
)
async def retire_item(item_id: ItemId, service: Service) -> Response:
    """Retire an item: no answer from the next one on holds it; histories still do."""
    await service.items.change(item_id, {"retired": True})
    return Response(status_code=204)


def _listed(item: Item, service: RecommendationService) -> ListedItem:
    return ListedItem(
        item_id=item.item_id,
        title=item.label,
        brand=item.brand,
        categories=list(item.categories),
        retired=service.items.stored(item.item_id).retired,
    )
