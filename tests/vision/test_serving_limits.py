"""What the server does not do, and how it says so: keys, limits, batches, its end, and what never leaks."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import struct
import zlib
from typing import Any

import pytest

from automl.vision.errors import UsageError
from automl.vision.serving import parameters, server
from automl.vision.serving.batching import Batcher
from automl.vision.serving.keys import Keys
from automl.vision.serving.limits import Limits
from automl.vision.serving.served import folder_of
from automl.vision.spec import tasks
from tests.vision.served import Call, Reply, Runner, Server, picture, raises

KEY, OTHER = "k" * 20, "o" * 20
RED = picture()
PNG = {"content-type": "image/png", "content-length": str(len(RED))}


def post(body: bytes = RED, path: str = "/score", **headers: str) -> Call:
    return Call("POST", path, [body], {**PNG, "content-length": str(len(body)), **headers})


def bomb(side: int) -> bytes:
    """A PNG of `side` × `side` pixels in a few hundred bytes: a header that is believed by nobody who checks first."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


# --- Keys ------------------------------------------------------------------------------------------------------------


def test_with_keys_everything_but_health_asks_for_one() -> None:
    with Server(keys=[KEY, OTHER]) as running:
        for path in ("/", "/v2", "/v2/models/colours", "/openapi.json", "/metrics", "/nothing"):
            assert running.get(path).status == 401, path
        assert running.get("/v2/health/live").status == running.get("/v2/health/ready").status == 200
        missing = running.send("POST", "/score", RED, content_type="image/png")
        assert (missing.status, missing.headers["www-authenticate"]) == (401, 'Bearer realm="model"')
        assert missing.sentence == "This model asks for a key. Send the header Authorization: Bearer <key>."
        for shown in ("Bearer wrong", f"Basic {KEY}", "Bearer", KEY, f"Bearer {KEY}x", "Bearer \udcff"):
            assert (
                running.wait(running.call(post(authorization=shown.encode("utf-8", "replace").decode()))).status == 401
            )
        for key in (KEY, OTHER):
            assert (
                running.send("POST", "/score", RED, content_type="image/png", authorization=f"Bearer {key}").status
                == 200
            )
    assert not running.runner.batches[2:]


def test_keys_come_from_the_environment_and_from_a_file(tmp_path: Any) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{OTHER}\n\n")
    keys = Keys.from_environment({"TESSERA_SERVE_KEYS": f"{KEY}, ", "TESSERA_SERVE_KEYS_FILE": str(file)})
    keys.check(f"Bearer {KEY}")
    keys.check(f"bearer {OTHER}")
    assert not Keys.from_environment({})
    for environment, words in (
        ({"TESSERA_SERVE_KEYS": "short"}, "fewer than 16 characters"),
        ({"TESSERA_SERVE_KEYS_FILE": str(tmp_path / "none")}, "cannot be read"),
        ({"TESSERA_SERVE_KEYS_FILE": str(tmp_path)}, "cannot be read"),
    ):
        with pytest.raises(UsageError, match=words):
            Keys.from_environment(environment)
    file.write_text("\n")
    with pytest.raises(UsageError, match="in which there is no key"):
        Keys.from_environment({"TESSERA_SERVE_KEYS_FILE": str(file)})


def test_beyond_this_machine_the_server_does_not_listen_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TESSERA_SERVE_KEYS", raising=False)
    with pytest.raises(UsageError, match="could use this model"):
        server.run(Any, server.Place("192.0.2.1", 0), Limits())  # type: ignore[arg-type]


# --- Limits of one request -------------------------------------------------------------------------------------------

SMALL = Limits(max_image_mb=0.01, max_body_mb=0.05, max_megapixels=0.01, max_images=3, queue_images=4, queue_mb=0.1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (post(b"x" * 20_000), "The image has 0.0 MB; at most 0.01 MB are taken."),
        (post(b"x" * 60_000), "The request has more than 0.05 MB."),
        (Call("POST", "/score", [b"x" * 30_000] * 3, {"content-type": "image/png", "transfer-encoding": "chunked"}),
         "The request has more than 0.05 MB."),
        (post(picture(width=200, height=100)), "The image has 200 × 100 pixels; at most 0.01 million are taken."),
        (post(bomb(60_000)), "has more pixels than any server should decode"),
    ],
)  # fmt: skip
def test_what_is_too_large_is_refused_before_it_is_decoded(call: Call, words: str) -> None:
    with Server(limits=SMALL) as running:
        reply = running.wait(running.call(call))
        assert (reply.status, words in reply.sentence) == (413, True), reply.sentence
        assert running.send("POST", "/score", RED, content_type="image/png").status == 200
        assert (running.engine.gate.images, running.engine.gate.bytes) == (0, 0)


def _table(*cells: str) -> bytes:
    return json.dumps({"input_data": {"data": cells}}).encode()


def _infer(count: int) -> bytes:
    return json.dumps(
        {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [count], "data": ["YQ=="] * count}]}
    ).encode()


@pytest.mark.parametrize(("path", "body"), [("/score", _table(*["YQ=="] * 4)), ("/v2/models/colours/infer", _infer(4))])
def test_too_many_images_are_refused_before_any_is_decoded(path: str, body: bytes) -> None:
    with Server(limits=SMALL) as running:
        reply = running.send("POST", path, body, content_type="application/json")
    assert (reply.status, reply.sentence) == (
        413,
        "The request holds 4 images; at most 3 are taken at once. Send them in several requests.",
    )


def test_too_many_files_of_a_form() -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="i"; filename="a"\r\n\r\nx\r\n'
    with Server(limits=SMALL) as running:
        for count in (4, 9):
            reply = running.send(
                "POST", "/score", part * count + b"--x--", content_type="multipart/form-data; boundary=x"
            )
            assert (reply.status, "at most 3 are taken at once" in reply.sentence) == (413, True), reply.body


def test_an_image_in_base64_is_measured_before_it_is_decoded() -> None:
    with Server(limits=SMALL) as running:
        text = base64.b64encode(b"x" * 20_000).decode()
        reply = running.send("POST", "/score", _table(text), content_type="application/json")
    assert (reply.status, reply.json()["code"]) == (413, "image_too_large")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("application/x-www-form-urlencoded", "The content type is application/x-www-form-urlencoded"),
        ("text/plain", "The content type is text/plain"),
        ("", "The request has no content type"),
    ],
)
def test_a_content_type_that_says_nothing_of_an_image(kind: str, words: str) -> None:
    with Server() as running:
        reply = running.send("POST", "/score", RED, **({"content_type": kind} if kind else {}))
        assert (reply.status, words in reply.sentence) == (415, True)
        assert "Send application/octet-stream or image/…" in reply.sentence
        reply = running.send("POST", "/v2/models/colours/infer", b"{}", content_type="text/plain")
        assert reply.status == 415


def test_a_packed_body_is_not_unpacked() -> None:
    """A few bytes could become gigabytes."""
    with Server() as running:
        reply = running.send("POST", "/score", RED, content_type="image/png", content_encoding="gzip")
    assert (reply.status, "The body is packed (gzip)." in reply.sentence) == (415, True)


def test_no_answer_in_time_is_a_503_that_says_so() -> None:
    with Server(limits=Limits(timeout=0.05)) as running:
        running.runner.may_go.clear()
        reply = running.send("POST", "/score", RED, content_type="image/png")
        assert (reply.status, reply.json()["code"]) == (503, "timeout")
        assert "There was no answer within 0.05 seconds." in reply.sentence
        running.runner.may_go.set()
        assert (running.engine.gate.images, running.engine.gate.bytes) == (0, 0)


def test_a_body_that_never_ends_is_cut_off_by_the_time_limit() -> None:
    with Server(limits=Limits(timeout=0.05)) as running:
        stalled = Call("POST", "/score", [], PNG)
        assert running.wait(running.call(stalled)).status == 503


# --- More at once than there is room for -----------------------------------------------------------------------------


def test_beyond_the_queue_the_answer_is_429_and_those_in_it_are_served() -> None:
    async def rush(running: Server) -> list[Reply]:
        first = [asyncio.create_task(running.call(post())) for _ in range(4)]
        while running.engine.gate.images < 4:
            await asyncio.sleep(0)
        refused = [await running.call(post()) for _ in range(2)]
        health = await running.call(Call("GET", "/v2/health/live"))
        running.runner.may_go.set()
        return [*refused, health, *await asyncio.gather(*first)]

    with Server(limits=Limits(max_images=3, queue_images=4)) as running:
        running.runner.may_go.clear()
        *refused, health, a, b, c, d = running.wait(rush(running))
        assert [(one.status, one.headers["retry-after"]) for one in refused] == [(429, "1")] * 2
        assert "4 images are being worked on or wait already." in refused[0].sentence
        assert [one.status for one in (health, a, b, c, d)] == [200] * 5
        text = running.get("/metrics").body.decode()
    assert 'tessera_requests_total{route="/score",status="429"} 2.0' in text


def test_bodies_held_at_once_are_bounded_too() -> None:
    with Server(limits=Limits(max_body_mb=1, queue_mb=1)) as running:
        call = post(path="/score", **{"content-length": str(900_000)})

        async def two() -> Reply:
            waiting = asyncio.create_task(running.call(Call("POST", "/score", [], call.headers)))
            while not running.engine.gate.bytes:
                await asyncio.sleep(0)
            reply = await running.call(call)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return reply

        reply = running.wait(two())
    assert (reply.status, "being worked on already" in reply.sentence) == (429, True)


# --- Batches ---------------------------------------------------------------------------------------------------------


def test_requests_that_wait_go_through_the_model_together_and_each_gets_its_own() -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]

    async def several(running: Server) -> list[Reply]:
        first = asyncio.create_task(running.call(post()))
        while not running.runner.is_in.is_set():
            await asyncio.sleep(0)
        rest = [asyncio.create_task(running.call(post(picture(colour)))) for colour in colours]
        while len(running.engine.batcher._waiting) < 3:
            await asyncio.sleep(0)
        running.runner.may_go.set()
        await first
        return list(await asyncio.gather(*rest))

    with Server() as running:
        running.runner.may_go.clear()
        replies = running.wait(several(running))
        assert running.runner.batches == [1, 3]
    tops = [max(range(3), key=lambda at, one=one: one.json()["probs"][at]) for one in replies]
    assert tops == [0, 1, 2]


def test_requests_of_different_thresholds_never_share_a_batch() -> None:
    async def both(running: Server) -> None:
        first = asyncio.create_task(running.call(post()))
        while not running.runner.is_in.is_set():
            await asyncio.sleep(0)
        paths = ("/score", "/score?box_score_threshold=0.1", "/score")
        rest = [asyncio.create_task(running.call(post(path=path))) for path in paths]
        while len(running.engine.batcher._waiting) < 3:
            await asyncio.sleep(0)
        running.runner.may_go.set()
        await asyncio.gather(first, *rest)

    with Server(Runner(tasks.DETECTION)) as running:
        running.runner.may_go.clear()
        running.wait(both(running))
        asked = [one.thresholds.box_score for one in running.runner.requests]
        # They were read in any order; the three that waited made two batches.
        assert sorted(zip(running.runner.batches, asked, strict=True), key=str) == [(1, 0.1), (1, None), (2, None)]


def test_one_image_that_breaks_the_model_does_not_take_others_with_it(caplog: pytest.LogCaptureFixture) -> None:
    async def three(running: Server) -> list[Reply]:
        first = asyncio.create_task(running.call(post()))
        while not running.runner.is_in.is_set():
            await asyncio.sleep(0)
        bodies = (RED, picture((1, 2, 3)), RED)
        rest = [asyncio.create_task(running.call(post(body))) for body in bodies]
        while len(running.engine.batcher._waiting) < 3:
            await asyncio.sleep(0)
        running.runner.may_go.set()
        return list(await asyncio.gather(first, *rest))

    with Server() as running, caplog.at_level(logging.INFO):
        running.runner.may_go.clear()
        replies = running.wait(three(running))
    assert [one.status for one in replies] == [200, 200, 500, 200]
    told = replies[2].json()
    assert told["code"] == "failed"
    assert "secret" not in replies[2].body.decode()
    assert told["request_id"] in told["error"]
    assert "secret of the machine room" in caplog.text  # for whoever reads the log
    assert told["request_id"] in caplog.text


def test_an_image_waits_for_others_only_while_some_are_coming() -> None:
    """The wait is an hour here: whoever waited without a reason would never end."""

    async def scenario() -> list[int]:
        coming, sizes = 0, []

        def compute(items: list[int], group: Any) -> list[int]:
            sizes.append(len(items))
            return items

        batcher = Batcher(compute, size=3, wait=3600, coming=lambda: coming)
        await batcher.start()
        assert await batcher.submit([1], None) == [1]  # nobody is coming
        coming = 2
        first = asyncio.create_task(batcher.submit([1], None))
        while not batcher._waiting:
            await asyncio.sleep(0)
        second = asyncio.create_task(batcher.submit([2], None))
        while len(batcher._waiting) < 2:
            await asyncio.sleep(0)
        coming = 0  # the third was no image after all
        await batcher.nudge()
        assert await first == [1]
        assert await second == [2]
        coming = 5
        assert await batcher.submit([1, 2, 3], None) == [1, 2, 3]  # full: goes at once
        await batcher.stop()
        return sizes

    assert asyncio.run(asyncio.wait_for(scenario(), 20)) == [1, 2, 3]


def test_who_gives_up_is_not_computed() -> None:
    async def scenario(running: Server) -> None:
        first = asyncio.create_task(running.call(post()))
        while not running.runner.is_in.is_set():
            await asyncio.sleep(0)
        gone = asyncio.create_task(running.call(post()))
        while not running.engine.batcher._waiting:
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        running.runner.may_go.set()
        await first
        await running.call(post())

    with Server() as running:
        running.runner.may_go.clear()
        running.wait(scenario(running))
        assert running.runner.batches == [1, 1]


# --- The end, and what is always there -------------------------------------------------------------------------------


def test_while_it_drains_what_runs_is_finished_and_what_is_new_is_sent_away() -> None:
    async def scenario(running: Server) -> tuple[Reply, Reply, Reply, Reply]:
        inside = asyncio.create_task(running.call(post()))
        while not running.runner.is_in.is_set():
            await asyncio.sleep(0)
        running.engine.is_draining = True
        new = await running.call(post())
        ready = await running.call(Call("GET", "/v2/health/ready"))
        live = await running.call(Call("GET", "/v2/health/live"))
        running.runner.may_go.set()
        return await inside, new, ready, live

    with Server() as running:
        running.runner.may_go.clear()
        inside, new, ready, live = running.wait(scenario(running))
    assert (inside.status, new.status, ready.status, live.status) == (200, 503, 503, 200)
    assert new.sentence == "This server is shutting down. Ask another replica, or this one again later."


def test_every_answer_has_a_request_id_and_is_not_sniffed() -> None:
    with Server() as running:
        reply = running.get("/", X_Request_Id="from-the-client.7")
        assert reply.headers["x-request-id"] == "from-the-client.7"
        assert (reply.headers["x-content-type-options"], reply.headers["cache-control"]) == ("nosniff", "no-store")
        for hostile in ("a b", "x" * 65, "<script>", ""):
            made = running.get("/nothing", X_Request_Id=hostile)
            assert made.headers["x-request-id"] != hostile
            assert made.json()["request_id"] == made.headers["x-request-id"]


def test_addresses_and_methods_that_do_not_exist() -> None:
    with Server() as running:
        assert (running.get("/nothing").status, running.get("/nothing").sentence) == (
            404,
            "There is nothing at /nothing. See /openapi.json.",
        )
        reply = running.get("/score")
        assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_metrics_count_by_route_and_do_not_grow_with_what_is_tried() -> None:
    with Server() as running:
        running.send("POST", "/score", RED, content_type="image/png")
        for number in range(3):
            running.get(f"/nothing/{number}")
            running.get(f"/v2/models/m{number}")
        text = running.get("/metrics").body.decode()
    assert 'tessera_requests_total{route="/score",status="200"} 1.0' in text
    assert 'tessera_requests_total{route="other",status="404"} 3.0' in text
    assert 'tessera_requests_total{route="/v2/models/{model}",status="404"} 3.0' in text
    assert "tessera_ready 1.0" in text
    assert "tessera_images_at_work 0.0" in text


def test_what_the_runner_cannot_read_names_the_image_and_nothing_of_the_machine() -> None:
    runner = Runner()
    with Server(runner) as running:
        runner.read = raises("The image cannot be decoded: truncated")  # type: ignore[method-assign]
        reply = running.send("POST", "/score", RED, content_type="image/png")
    assert (reply.status, reply.sentence) == (
        400,
        "The image cannot be decoded: truncated. Send JPEG, PNG, BMP, TIFF, WebP or DICOM.",
    )


# --- The environment -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TESSERA_SERVE_TIMEOUT": "soon"}, "TESSERA_SERVE_TIMEOUT is 'soon'. It has to be a number."),
        ({"TESSERA_SERVE_MAX_IMAGES": "1.5"}, "TESSERA_SERVE_MAX_IMAGES is '1.5'. It has to be a whole number."),
        ({"TESSERA_SERVE_THREADS": "0"}, "TESSERA_SERVE_THREADS cannot be 0. Allowed: 1 or more."),
        ({"TESSERA_SERVE_TIMEOUT": "nan"}, "TESSERA_SERVE_TIMEOUT cannot be nan."),
        ({"TESSERA_SERVE_MAX_IMAGES": "500"}, "would not fit into the queue"),
    ],
)
def test_limits_that_make_no_sense_are_refused_at_the_start(environment: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Limits.from_environment(environment)
    assert words in str(caught.value)


def test_limits_and_settings_come_from_the_environment() -> None:
    limits = Limits.from_environment({"TESSERA_SERVE_MAX_IMAGE_MB": "1.5", "TESSERA_SERVE_BATCH_SIZE": "4"})
    assert (limits.image_bytes, limits.batch_size, limits.max_images) == (1_572_864, 4, 64)
    given = {"TESSERA_SERVE_BOX_SCORE_THRESHOLD": " 0.2 ", "TESSERA_SERVE_MIN_SIZE": "400", "OTHER": "1"}
    assert parameters.from_environment(given) == {"box_score_threshold": "0.2", "min_size": "400"}


def test_a_place_without_a_model_is_told_what_to_do(tmp_path: Any) -> None:
    from automl.vision.errors import DataError

    with pytest.raises(DataError, match="holds no model.onnx. Make a bundle with"):
        folder_of(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        folder_of(tmp_path / "none")
