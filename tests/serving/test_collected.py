"""What a gateway has loaded is not looked through again and again while it answers."""

import gc

from fastapi.testclient import TestClient

from genrec.serving.http.app import create_app


def test_what_is_loaded_is_left_out_of_garbage_collection_until_the_end(shop_settings):
    with TestClient(create_app(shop_settings)) as client:
        assert client.get("/health").status_code == 200
        # Most of what there is was there before; what a collection still walks is little.
        assert gc.get_freeze_count() > 10 * len(gc.get_objects())
    assert gc.get_freeze_count() == 0
