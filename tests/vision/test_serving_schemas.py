"""What the server understands and answers: the old product's scoring, forms, Open Inference Protocol v2."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from automl.vision.spec import tasks
from tests.vision.served import CLASSES, Runner, Server, picture

RED, GREEN, BLUE = (picture(colour) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200)))
INFER = "/v2/models/colours/infer"


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def table(*cells: Any, **more: Any) -> dict[str, Any]:
    return {"input_data": {"columns": ["image"], "data": list(cells)}, **more}


def best(answer: dict[str, Any]) -> str:
    return str(answer["labels"][int(np.argmax(answer["probs"]))])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def detector() -> Iterator[Server]:
    with Server(Runner(tasks.DETECTION)) as running:
        yield running


# --- The old product's schemas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "image/jpeg; q=1"])
def test_v1_is_one_image_in_and_one_object_with_its_filename_out(server: Server, kind: str) -> None:
    reply = server.send("POST", "/score?filename=a%20b.png", GREEN, content_type=kind)
    assert reply.status == 200
    assert set(reply.json()) == {"filename", "probs", "labels"}
    assert (reply.json()["filename"], reply.json()["labels"], best(reply.json())) == ("a b.png", CLASSES, "green")


def test_v2_is_a_list_in_the_order_of_the_images_without_filenames(server: Server) -> None:
    reply = server.post_json("/score", table(b64(BLUE), b64(RED)))
    assert [best(one) for one in reply.json()] == ["blue", "red"]
    assert all(set(one) == {"probs", "labels"} for one in reply.json())


def _lines(content: bytes) -> str:
    return base64.encodebytes(content).decode()


@pytest.mark.parametrize(
    "body",
    [
        table(b64(GREEN)),
        {"input_data": {"columns": ["image"], "index": [0], "data": [b64(GREEN)]}},
        table([b64(GREEN)]),
        table(_lines(GREEN)),
        table(_lines(GREEN).replace("\n", "\r\n")),
        table("data:image/png;base64," + b64(GREEN)),
        table(base64.urlsafe_b64encode(GREEN).decode().rstrip("=")),
        table(json.dumps({"image_base64": b64(GREEN), "model_explainability": False, "xai_parameters": {}})),
        table(json.dumps({"image_base64": b64(GREEN)})),
        table({"image_base64": b64(GREEN), "model_explainability": "false"}),
        {"input_data": {"columns": ["id", "image"], "data": [[7, b64(GREEN)]]}},
        {"input_data": {"data": [b64(GREEN)]}},
        {"input_data": [b64(GREEN)], "params": {}},
    ],
)
def test_v2_as_clients_send_it(server: Server, body: dict[str, Any]) -> None:
    reply = server.post_json("/score", body)
    assert (reply.status, best(reply.json()[0])) == (200, "green"), reply.body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "The body is not JSON (line 1, column 2"),
        (b"\xff", "The body is not UTF-8 text."),
        (b"[1]", "The body is a list, not a JSON object."),
        (b"[" * 100_000, "The body is nested too deeply."),
        ({}, "The body has no 'input_data'."),
        ({**table(b64(RED)), "paramters": {}}, "The body has 'paramters'."),
        ({"input_data": "x"}, "'input_data' holds no list 'data'."),
        ({"input_data": {"columns": ["picture"], "data": []}}, "'input_data' has no column 'image'."),
        ({"input_data": {"index": [0], "data": ["x", "y"]}}, "'index' has 1 entries and 'data' 2."),
        ({"input_data": {"columns": ["a", "image"], "data": ["x"]}}, "data[0] is one value for 2 columns."),
        (table(["a", "b"]), "data[0] has 2 values for 1 columns."),
        (table(), "The request holds no image."),
        (table(5), "input_data.data[0] is a number, not base64 text."),
        (table(None), "input_data.data[0] is null, not base64 text."),
        (table("ab!c"), "input_data.data[0] is not base64."),
        (table(""), "The image is empty."),
        (table("{x"), "input_data.data[0] begins like JSON and is none."),
        (table("{}"), "input_data.data[0] has no 'image_base64'."),
        (table({"image_base64": 1}), "input_data.data[0].image_base64 is a number"),
        (table({"image_base64": "", "model_explainability": "maybe"}), "model_explainability is 'maybe'."),
        (table({"image_base64": "", "model_explainability": 1, "xai_parameters": [1]}), "is a list, not an object."),
        (table(b64(RED), parameters=[1]), "'parameters' is a list, not an object of settings."),
        (table(b64(RED), b64(b"no image")), "Image 2 of 2 is no image, or of an unknown kind."),
        (table(b64(RED[:60])), "The image cannot be decoded"),
    ],
)
def test_v2_that_cannot_be_understood_is_told_what_and_where(server: Server, body: Any, words: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = server.send("POST", "/score", raw, content_type="application/json")
    assert reply.status == 400
    assert words in reply.sentence
    assert "Traceback" not in reply.sentence


def test_forms_carry_several_files_and_settings(detector: Server) -> None:
    wide = picture(width=96)
    body = b"".join(
        [
            b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + wide + b"\r\n",
            b'--x\r\nContent-Disposition: form-data; name="image"; filename="b.png"\r\n\r\n' + RED + b"\r\n",
            b'--x\r\nContent-Disposition: form-data; name="box_score_thresh"\r\n\r\n0.8\r\n--x--\r\n',
        ]
    )
    reply = detector.send("POST", "/score", body, content_type="multipart/form-data; boundary=x")
    assert [(one["filename"], len(one["boxes"])) for one in reply.json()] == [("a.png", 1), ("b.png", 1)]


def test_a_large_file_of_a_form_touches_no_disk(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    large = picture((0, 200, 0), 1200, 800, "BMP")
    assert len(large) > 2_000_000
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.bmp"\r\n\r\n'
    body = part + large + b"\r\n--x--\r\n"
    (answer,) = server.send("POST", "/score", body, content_type="multipart/form-data; boundary=x").json()
    assert (answer["filename"], best(answer)) == ("a.bmp", "green")


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("multipart/form-data", b"x", "The form cannot be read"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", "The form holds no file."),
        ("multipart/form-data; boundary=x", b"garbage", "The form cannot be read"),
    ],
)
def test_a_form_that_holds_nothing_is_told_how_to_send_one(server: Server, kind: str, body: bytes, words: str) -> None:
    reply = server.send("POST", "/score", body, content_type=kind)
    assert (reply.status, words in reply.sentence) == (400, True), reply.sentence
    assert "-F image=@photo.jpg" in reply.sentence


# --- Settings of a request -------------------------------------------------------------------------------------------


def test_thresholds_are_asked_for_in_the_address_or_in_the_body(detector: Server) -> None:
    wide = picture(width=96)
    assert len(detector.send("POST", "/score", wide, content_type="image/png").json()["boxes"]) == 2
    low = detector.send("POST", "/score?box_score_threshold=0.1", wide, content_type="image/png")
    assert len(low.json()["boxes"]) == 3
    high = detector.post_json("/score", table(b64(wide), parameters={"box_score_thresh": 0.7}))
    assert len(high.json()[0]["boxes"]) == 1


def test_tiles_are_asked_for_as_in_training(detector: Server) -> None:
    reply = detector.send("POST", "/score?tile_grid_size=3x2&tile_overlap_ratio=0.1", RED, content_type="image/png")
    assert reply.status == 200
    grid = detector.runner.requests[-1].tiles
    assert (grid.columns, grid.rows, grid.overlap, grid.nms_iou) == (3, 2, 0.1, 0.25)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("box_score_threshold=2", "box_score_threshold cannot be '2'. Allowed: a number from 0 to 1."),
        ("tile_overlap_ratio=0.5", "tile_overlap_ratio has no effect without tiles."),
        ("learning_rate=0.1", "learning_rate cannot be changed for this model."),
        ("min_size=800", "min_size cannot be changed for this model."),
        ("colour=red", "There is no hyperparameter 'colour'."),
        ("mask_pixel_score_threshold=0.4", "What a request may change: box_score_threshold, nms_iou_threshold"),
    ],
)
def test_settings_that_cannot_be_asked_for_are_refused_by_name(detector: Server, query: str, words: str) -> None:
    reply = detector.send("POST", f"/score?{query}", RED, content_type="image/png")
    assert (reply.status, words in reply.sentence) == (400, True), reply.sentence


def test_a_classifier_has_nothing_to_change(server: Server) -> None:
    reply = server.send("POST", "/score?box_score_threshold=0.5", RED, content_type="image/png")
    assert (reply.status, "A request can change nothing here." in reply.sentence) == (400, True)


# --- Explanations ----------------------------------------------------------------------------------------------------


def explained(content: bytes, **parameters: Any) -> str:
    return json.dumps({"image_base64": b64(content), "model_explainability": True, "xai_parameters": parameters})


def test_without_torch_explanations_are_refused_with_a_way_out(server: Server, detector: Server) -> None:
    reply = server.post_json("/score", table(explained(RED)))
    assert (reply.status, reply.json()["code"]) == (400, "explanations")
    assert "without torch, which explanations need" in reply.sentence
    reply = detector.post_json("/score", table(explained(RED)))
    assert "image-object-detection has no explanations" in reply.sentence


def test_explanations_come_beside_the_answer_for_those_who_ask() -> None:
    def explain(content: bytes, parameters: Any) -> dict[str, Any]:
        return {"visualizations": b64(content[:3]), "attributions": parameters["n_steps"]}

    with Server(explain=explain) as running:
        first, second = running.post_json("/score", table(explained(RED, n_steps=7), b64(BLUE))).json()
    assert (first["attributions"], first["visualizations"], best(first)) == (7, b64(RED[:3]), "red")
    assert set(second) == {"probs", "labels"}


# --- Open Inference Protocol v2 --------------------------------------------------------------------------------------


def infer(*contents: bytes, **more: Any) -> dict[str, Any]:
    data = [b64(content) for content in contents]
    return {"inputs": [{"name": "image", "shape": [len(data)], "datatype": "BYTES", "data": data}], **more}


def outputs(reply: Any) -> dict[str, Any]:
    return {one["name"]: one for one in reply.json()["outputs"]}


def test_the_server_and_its_model_describe_themselves(server: Server) -> None:
    assert server.get("/v2").json() == {"name": "tessera", "version": "2", "extensions": ["binary_tensor_data"]}
    for path in ("/v2/models/colours", "/v2/models/colours/versions/2"):
        told = server.get(path).json()
        assert (told["name"], told["versions"]) == ("colours", ["2"])
        assert told["inputs"][0]["datatype"] == "BYTES"
        assert [one["name"] for one in told["outputs"]] == ["predictions", "probs"]
        assert server.get(f"{path}/ready").json() == {"name": "colours", "ready": True}
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}
    reply = server.get("/v2/models/other")
    assert (reply.status, reply.sentence) == (
        404,
        "There is no model 'other' of version '2'. Here is 'colours', version '2'.",
    )


def test_inference_answers_with_text_and_numbers_that_say_the_same(server: Server) -> None:
    reply = server.post_json(INFER, infer(RED, BLUE, id="42"))
    assert (reply.json()["id"], reply.json()["model_name"], reply.json()["model_version"]) == ("42", "colours", "2")
    found = outputs(reply)
    said = [json.loads(text) for text in found["predictions"]["data"]]
    assert [best(one) for one in said] == ["red", "blue"]
    assert found["probs"]["shape"] == [2, 3]
    assert found["probs"]["data"] == pytest.approx([value for one in said for value in one["probs"]])
    score = server.post_json("/score", table(b64(RED), b64(BLUE))).json()
    assert score == said


def test_images_with_different_numbers_of_objects_share_a_tensor(detector: Server) -> None:
    reply = detector.post_json(INFER, infer(picture(width=96), picture(width=16), picture(width=40)))
    found = outputs(reply)
    assert found["num_detections"]["data"] == [2, 0, 1]
    assert (found["boxes"]["shape"], found["scores"]["shape"]) == ([3, 2, 4], [3, 2])
    assert found["class_ids"]["data"] == [0, 1, -1, -1, 0, -1]
    assert found["scores"]["data"] == pytest.approx([0.9, 0.6, 0, 0, 0.9, 0])
    none = outputs(detector.post_json(INFER, infer(picture(width=16))))
    assert (none["boxes"]["shape"], none["boxes"]["data"], none["num_detections"]["data"]) == ([1, 0, 4], [], [0])


def test_settings_and_chosen_outputs(detector: Server) -> None:
    asked = infer(picture(width=96), parameters={"box_score_threshold": 0.1}, outputs=[{"name": "num_detections"}])
    found = outputs(detector.post_json(INFER, asked))
    assert list(found) == ["num_detections"]
    assert found["num_detections"]["data"] == [3]


def binary(*contents: bytes, **more: Any) -> tuple[bytes, int]:
    tail = b"".join(struct.pack("<I", len(content)) + content for content in contents)
    given = {
        "name": "image",
        "shape": [len(contents)],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(tail)},
    }
    text = json.dumps({"inputs": [given], **more}).encode()
    return text + tail, len(text)


def test_binary_tensors_go_both_ways(detector: Server) -> None:
    body, length = binary(picture(width=96), RED, parameters={"binary_data_output": True})
    reply = detector.send(
        "POST", INFER, body, content_type="application/octet-stream", Inference_Header_Content_Length=str(length)
    )
    assert (reply.status, reply.headers["content-type"]) == (200, "application/octet-stream")
    end = int(reply.headers["inference-header-content-length"])
    told, rest = json.loads(reply.body[:end]), reply.body[end:]
    found: dict[str, bytes] = {}
    for one in told["outputs"]:
        size = one["parameters"]["binary_data_size"]
        found[one["name"]], rest = rest[:size], rest[size:]
        assert "data" not in one
    assert rest == b""
    assert np.frombuffer(found["num_detections"], "<i8").tolist() == [2, 1]
    assert np.frombuffer(found["scores"], "<f4").reshape(2, 2)[0] == pytest.approx([0.9, 0.6])
    first = struct.unpack("<I", found["predictions"][:4])[0]
    assert len(json.loads(found["predictions"][4 : 4 + first])["boxes"]) == 2
    plain = outputs(detector.post_json(INFER, infer(picture(width=96), RED)))
    assert np.frombuffer(found["boxes"], "<f4").tolist() == pytest.approx(plain["boxes"]["data"])


def test_one_output_as_binary_and_another_as_json(server: Server) -> None:
    asked = infer(RED, outputs=[{"name": "probs", "parameters": {"binary_data": True}}, {"name": "predictions"}])
    reply = server.post_json(INFER, asked)
    end = int(reply.headers["inference-header-content-length"])
    probs, said = json.loads(reply.body[:end])["outputs"]
    assert (probs["parameters"], "data" in said) == ({"binary_data_size": 12}, True)
    assert np.argmax(np.frombuffer(reply.body[end:], "<f4")) == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "The body needs exactly one input."),
        ({"inputs": [{"name": "x"}]}, "There is no input 'x'; the model has one, named 'image'."),
        ({"inputs": [{"name": "image", "datatype": "FP32"}]}, "has the datatype BYTES, not 'FP32'."),
        ({"inputs": [{"name": "image", "datatype": "BYTES"}]}, "The input 'image' has no list 'data'."),
        ({**infer(RED), "outputs": [{"name": "x"}]}, "There is no output 'x'. There are predictions, probs."),
        ({**infer(RED), "outputs": "x"}, "'outputs' is no list of objects."),
        ({**infer(RED), "parameters": 5}, "'parameters' is not an object."),
        ({"inputs": [{**infer(RED)["inputs"][0], "shape": [2]}]}, "has the shape [2] and 1 elements."),
        (infer(b"no image"), "The image is no image, or of an unknown kind."),
    ],
)
def test_what_is_not_of_the_protocol_is_told_so(server: Server, body: Any, words: str) -> None:
    reply = server.post_json(INFER, body)
    assert (reply.status, words in reply.sentence) == (400, True), reply.sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda body, length: (body, None), "The body is not"),
        (lambda body, length: (body, "x"), "Inference-Header-Content-Length is 'x'"),
        (lambda body, length: (body, "99999999"), "Inference-Header-Content-Length is '99999999'"),
        (lambda body, length: (body + b"x", str(length)), "but"),
        (
            lambda body, length: (body[:length] + b"\xff\xff\xff\xff" + body[length + 4 :], str(length)),
            "ends after them",
        ),
    ],
)
def test_binary_tensors_that_do_not_add_up(server: Server, change: Any, words: str) -> None:
    body, length = change(*binary(RED))
    headers = {"Inference_Header_Content_Length": length} if length else {}
    reply = server.send("POST", INFER, body, content_type="application/octet-stream", **headers)
    assert (reply.status, words in reply.sentence) == (400, True), reply.sentence


def test_binary_data_need_their_header(server: Server) -> None:
    given = {"name": "image", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 4}}
    reply = server.post_json(INFER, {"inputs": [given]})
    assert "Binary data need the header Inference-Header-Content-Length." in reply.sentence


# --- The description for programs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", tasks.TASKS)
def test_the_openapi_document_is_valid_and_answers_are_as_it_says(task: str) -> None:
    with Server(Runner(task)) as running:
        document = running.get("/openapi.json").json()
        validate(document)
        score = running.post_json("/score", table(b64(picture(width=96)))).json()
        single = running.send("POST", "/score", RED, content_type="image/png").json()
        inferred = running.post_json(INFER, infer(RED)).json()
        failed = running.send("POST", "/score", b"x", content_type="image/png").json()
    schemas = {"components": document["components"]}
    for name, value in (
        ("Prediction", score[0]),
        ("NamedPrediction", single),
        ("InferResponse", inferred),
        ("Error", failed),
        ("ScoreRequest", table("YQ==")),
        ("InferRequest", infer(RED)),
    ):
        Draft202012Validator({"$ref": f"#/components/schemas/{name}", **schemas}).validate(value)
    settings = document["components"]["schemas"]["Settings"]["properties"]
    assert ("box_score_threshold" in settings) == (task in tasks.LOCATES)
    served = {path.replace("{model}", "colours") for path in running.paths()}
    assert set(document["paths"]) <= served


def test_the_index_says_where_to_go_on(server: Server) -> None:
    told = server.get("/").json()
    assert (told["name"], told["task"], told["classes"]) == ("colours", tasks.CLASSIFICATION, CLASSES)
    assert server.get(told["documentation"]).status == 200
    assert server.get(told["open_inference"]).status == 200
