"""What the tests of the routes ask."""

import time

NOW = int(time.time())


def post(client, path, status=200, **body):
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def click(client, user_id, item_id, **fields):
    return post(client, "/v1/events", events=[{"user_id": user_id, "item_id": item_id, **fields}])


def item_ids(answer):
    return [item["item_id"] for item in answer["items"]]
