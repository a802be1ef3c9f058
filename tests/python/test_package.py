"""The Python package of the build tree: sessions, types, DLPack, streams, errors, threads."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import onnx
import pytest
import sluice
from command import BUILD, DEMO, MODELS, succeed
from onnx import TensorProto, helper, numpy_helper

TINY = MODELS / "qwen3-cpu"
PROMPT = "In the beginning"
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "int64": TensorProto.INT64, "int32": TensorProto.INT32,
         "uint8": TensorProto.UINT8, "bool": TensorProto.BOOL}


def model_bytes(nodes, inputs, outputs, initializers=()):
    values = lambda table: [helper.make_tensor_value_info(name, *of) for name, of in table.items()]  # noqa: E731
    graph = helper.make_graph(nodes, "test", values(inputs), values(outputs), list(initializers))
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString()


def add_model():
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Neg", ["sum"], ["negative"])]
    return model_bytes(nodes, {"a": (TensorProto.FLOAT, ["rows", 3]), "b": (TensorProto.FLOAT, [3])},
                       {"sum": (TensorProto.FLOAT, None), "negative": (TensorProto.FLOAT, None)})


def identity_model(dtype):
    return model_bytes([helper.make_node("Identity", ["x"], ["y"])], {"x": (TYPES[dtype], ["n", "m"])}, {"y": (TYPES[dtype], ["n", "m"])})


@pytest.fixture(scope="module")
def device():
    return sluice.Device()


@pytest.fixture(scope="module")
def demo():
    return sluice.Generator(DEMO)


def test_it_is_the_build_under_test():
    assert str(BUILD.resolve()) in sluice.__file__
    assert sluice.__version__ in succeed("--version").out


def test_stub_names_what_the_module_has():
    stub = (BUILD / "python/sluice/_core.pyi").read_text()
    for name in dir(sluice._core):
        if not name.startswith("_"):
            assert f"class {name}" in stub or f"def {name}" in stub, name
    assert (BUILD / "python/sluice/py.typed").exists()


# --- devices -----------------------------------------------------------------------------------------------------------------------


def test_devices(device):
    listed = sluice.devices()
    assert [d.index for d in listed] == list(range(len(listed)))
    assert device.info.name in [d.name for d in listed]
    assert device.info.name in repr(device)


def test_unknown_device():
    with pytest.raises(sluice.Error, match="no such device"):
        sluice.Device("no such device")
    with pytest.raises(TypeError):
        sluice.Device(1.5)


def test_inspect():
    report = sluice.inspect(DEMO)
    assert "QMoE" in report and "weights" in report


def test_operators():
    assert {"Add", "com.microsoft.QMoE"} <= set(sluice.operators())


# --- Session -----------------------------------------------------------------------------------------------------------------------


def test_run(device, tmp_path):
    file = tmp_path / "add.onnx"
    file.write_bytes(add_model())
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, 2, 3], np.float32)
    for session in (sluice.Session(file, device), sluice.Session(str(file)), sluice.Session(add_model(), device)):
        total, negative = session.run(None, {"a": a, "b": b})
        np.testing.assert_array_equal(total, a + b)
        np.testing.assert_array_equal(negative, -(a + b))
        (only,) = session.run(["negative"], {"a": a, "b": b})
        np.testing.assert_array_equal(only, -(a + b))


def test_metadata(device):
    session = sluice.Session(add_model(), device)
    a, b = session.get_inputs()
    assert (a.name, a.shape, a.dtype) == ("a", ["rows", 3], np.float32)
    assert (b.name, b.shape) == ("b", [3])
    assert [(o.name, o.shape, o.dtype) for o in session.get_outputs()] == [(n, ["rows", 3], np.float32) for n in ("sum", "negative")]


@pytest.mark.parametrize("dtype", TYPES)
def test_types(device, dtype):
    x = np.arange(15).reshape(3, 5).astype(dtype)
    session = sluice.Session(identity_model(dtype), device)
    (y,) = session.run(None, {"x": x})
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x)
    (y,) = session.run(None, {"x": x.T[::-1, ::2]})  # not row-major
    np.testing.assert_array_equal(y, x.T[::-1, ::2])
    (empty,) = session.run(None, {"x": x[:0]})
    assert empty.shape == (0, 5) and empty.dtype == x.dtype


def test_scalars(device):
    session = sluice.Session(model_bytes([helper.make_node("Neg", ["x"], ["y"])], {"x": (TensorProto.FLOAT, [])}, {"y": (TensorProto.FLOAT, [])}),
                             device)
    for x in (np.float32(2), np.array(2, np.float32)):
        (y,) = session.run(None, {"x": x})
        assert y.shape == () and y == -2


class OnlyDLPack:
    """A tensor of another library: nothing but the protocol."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class OnAGpu(OnlyDLPack):
    def __dlpack__(self, **options):
        raise BufferError("a CUDA tensor")


@pytest.mark.parametrize("dtype", TYPES)
def test_dlpack(device, dtype):
    x = np.arange(15).reshape(3, 5).astype(dtype)
    (y,) = sluice.Session(identity_model(dtype), device).run(None, {"x": OnlyDLPack(x)})
    assert y.flags.writeable
    np.testing.assert_array_equal(np.from_dlpack(y), x)


def test_dlpack_of_another_device(device):
    with pytest.raises(sluice.Error, match='input "x".*a CUDA tensor'):
        sluice.Session(identity_model("float32"), device).run(None, {"x": OnAGpu(np.zeros((1, 1), np.float32))})


def test_torch(device):
    torch = pytest.importorskip("torch")
    (y,) = sluice.Session(identity_model("float32"), device).run(None, {"x": torch.ones(2, 3)})
    assert torch.from_dlpack(y).shape == (2, 3)


def test_session_errors(device, tmp_path):
    assert issubclass(sluice.Error, RuntimeError)
    with pytest.raises(sluice.Error, match="nowhere.onnx"):
        sluice.Session(tmp_path / "nowhere.onnx", device)
    with pytest.raises(sluice.Error):
        sluice.Session(b"rubbish", device)
    session = sluice.Session(add_model(), device)
    a, b = np.ones((2, 3), np.float32), np.ones(3, np.float32)
    for feeds, message in (({"a": a}, 'input "b" is missing'), ({"a": a, "b": b, "c": b}, 'no input "c"'),
                           ({"a": a, "b": b.astype(np.float64)}, 'input "b" must be float, got double|double'),
                           ({"a": a, "b": np.ones(4, np.float32)}, "4"), ({"a": a, "b": np.array(["x"])}, "<U1")):
        with pytest.raises(sluice.Error, match=message):
            session.run(None, feeds)
    with pytest.raises(sluice.Error, match='no output "d".*sum, negative'):
        session.run(["d"], {"a": a, "b": b})
    np.testing.assert_array_equal(session.run(["sum"], {"a": a, "b": b})[0], a + b)  # none of it did harm


def test_unsupported_operators_are_named(device):
    node = helper.make_node("StringNormalizer", ["x"], ["y"])
    with pytest.raises(sluice.Error, match="StringNormalizer"):
        sluice.Session(model_bytes([node], {"x": (TensorProto.FLOAT, [1])}, {"y": (TensorProto.FLOAT, [1])}), device).run(
            None, {"x": np.ones(1, np.float32)})


def test_external_data(device, tmp_path):
    weight = numpy_helper.from_array(np.arange(300, dtype=np.float32), "w")
    model = onnx.ModelProto.FromString(model_bytes([helper.make_node("Add", ["x", "w"], ["y"])], {"x": (TensorProto.FLOAT, [300])},
                                                   {"y": (TensorProto.FLOAT, [300])}, [weight]))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    content, x = (tmp_path / "m.onnx").read_bytes(), np.ones(300, np.float32)
    (y,) = sluice.Session(content, device, folder=tmp_path).run(None, {"x": x})
    np.testing.assert_array_equal(y, np.arange(300) + 1)


# --- Generator ---------------------------------------------------------------------------------------------------------------------


def test_ids_and_text_are_those_of_the_command(demo):
    expected = json.loads(succeed("run", DEMO, "--prompt", PROMPT, "--greedy", "--max-tokens", 24, "--output", "json", "-q").out)
    generation = demo.generate(PROMPT, 24, greedy=True)
    tokens = list(generation)
    assert [t.id for t in tokens if t.id is not None] == expected["ids"] == generation.ids
    assert "".join(t.text for t in tokens) == expected["text"] == generation.text
    assert generation.finish_reason == expected["finish_reason"]
    assert generation.usage["prompt_tokens"] == expected["prompt_tokens"]
    assert demo.generate(demo.tokenize(PROMPT), 24, greedy=True).close() is None
    assert [t.id for t in demo.generate(expected["prompt_ids"], 24, greedy=True) if t.id is not None] == expected["ids"]


def test_sampling_is_that_of_the_command(demo):
    flags = ["--temperature", 1.2, "--top-k", 40, "--top-p", 0.95, "--min-p", 0.01, "--repetition-penalty", 1.1, "--seed", 5]
    expected = succeed("run", DEMO, "--prompt", PROMPT, "--max-tokens", 16, "--output", "ids", "-q", *flags).ids
    options = dict(temperature=1.2, top_k=40, top_p=0.95, min_p=0.01, repetition_penalty=1.1, seed=5)
    generation = demo.generate(PROMPT, 16, **options)
    list(generation)
    assert generation.ids == expected
    other = demo.generate(PROMPT, 16, **{**options, "seed": 6})
    list(other)
    assert other.ids != expected


def test_tokens_come_before_the_last_is_computed(demo):
    begin = time.perf_counter()
    generation = demo.generate(PROMPT, 100, greedy=True, ignore_stop_tokens=True)
    next(generation)
    first = time.perf_counter() - begin
    list(generation)
    whole = time.perf_counter() - begin
    assert len(generation.ids) == 100
    assert first < whole / 2, f"the first token took {first:.2f} s of {whole:.2f} s"


def test_breaking_off(demo):
    reference = [t.id for t in itertools.islice(demo.generate(PROMPT, 500, greedy=True, ignore_stop_tokens=True), 3)]
    begin = time.perf_counter()
    for count, _ in enumerate(demo.generate(PROMPT, 500, greedy=True, ignore_stop_tokens=True)):
        if count == 2:
            break
    with demo.generate(PROMPT, 500, greedy=True, ignore_stop_tokens=True) as generation:
        next(generation)
    few = time.perf_counter() - begin
    assert generation.finish_reason == "cancelled" and len(generation.ids) == 1
    assert list(generation) == []
    after = demo.generate(PROMPT, 40, greedy=True, ignore_stop_tokens=True)
    begin = time.perf_counter()
    list(after)
    assert after.ids[:3] == reference
    assert few < 12 * (time.perf_counter() - begin), "500 tokens were computed"


def test_another_generation_ends_the_first(demo):
    first = demo.generate(PROMPT, 50, greedy=True)
    next(first)
    second = demo.generate(PROMPT, 4, greedy=True, ignore_stop_tokens=True)
    with pytest.raises(sluice.Error, match="ended by a later call"):
        next(first)
    assert list(first) == []
    assert len([t for t in second if t.id is not None]) == 4


def test_stop_strings(demo):
    text = "".join(t.text for t in demo.generate(PROMPT, 24, greedy=True))
    word = text.split()[4]
    generation = demo.generate(PROMPT, 24, greedy=True, stop=word)
    list(generation)
    assert generation.finish_reason == "stop_string"
    assert generation.text == text[: text.index(word)]
    assert demo.generate(PROMPT, 24, greedy=True, stop=["\0", word]).__next__()


def test_chat(demo):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who made the sun?"}]
    prompt = demo.apply_chat_template(messages)
    assert "Who made the sun?" in prompt
    answer = demo.chat(messages, 12, greedy=True)
    list(answer)
    again = demo.generate(demo.tokenize(prompt, False), 12, greedy=True)
    list(again)
    assert answer.ids == again.ids
    command = succeed("chat", DEMO, "--system", "Be brief.", "--greedy", "--max-tokens", 12, "-q", stdin="Who made the sun?\n\n")
    assert command.out.strip() == answer.text.strip()


def test_logits(demo, tmp_path):
    ids = demo.tokenize(PROMPT)
    succeed("run", DEMO, "--prompt", PROMPT, "--max-tokens", 0, "--logits", tmp_path / "l.npy", "-q")
    logits = demo.logits(ids)
    assert logits.dtype == np.float32 and logits.shape == (len(ids), demo.vocabulary)
    np.testing.assert_array_equal(logits, np.load(tmp_path / "l.npy"))
    assert demo.logits([]).shape == (0, demo.vocabulary)


def test_tokenizer(demo):
    assert demo.detokenize(demo.tokenize(PROMPT)) == PROMPT
    assert demo.context_length > 0 and demo.weight_bytes > 0 and demo.device.name


def test_generator_errors(demo, tmp_path):
    with pytest.raises(sluice.Error):
        sluice.Generator(tmp_path)
    for prompt, options, message in (([], {}, "empty"), ([10**6], {}, "1000000"), ([-1], {}, "id -1 "), ([2**40], {}, "vocabulary"),
                                     (PROMPT, {"top_p": 2.0}, "top_p"), (PROMPT, {"temperature": float("nan")}, "temperature")):
        with pytest.raises(sluice.Error, match=message):
            demo.generate(prompt, 4, **options)
    for prompt, options, message in ((PROMPT, {"heat": 1}, "heat"), (PROMPT, {"max_tokens": -1}, "max_tokens cannot be -1"),
                                     (PROMPT, {"seed": 2**64}, "seed cannot be 18"), ([1.5], {}, "float")):
        with pytest.raises(TypeError, match=message):
            demo.generate(prompt, **options)
    assert list(demo.generate(PROMPT, 2, greedy=True))


def test_progress_and_its_exceptions():
    calls = []
    sluice.Generator(TINY, progress=lambda done, total: calls.append((done, total)))
    assert calls and calls[-1][0] == calls[-1][1]

    def fail(done, total):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        sluice.Generator(TINY, progress=fail)


# --- threads and signals -----------------------------------------------------------------------------------------------------------


def test_other_threads_run_meanwhile(demo):
    """While the device is waited for, another thread counts; with the lock held it could not."""
    counts, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counts[0] += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for work in (lambda: demo.logits(demo.tokenize(PROMPT) * 20), lambda: list(demo.generate(PROMPT, 30, greedy=True))):
            before, begin = counts[0], time.perf_counter()
            work()
            seconds = time.perf_counter() - begin
            assert counts[0] - before > seconds * 20, f"{counts[0] - before} turns in {seconds:.2f} s"
    finally:
        done.set()
        thread.join()


def test_threads_share_a_generator_and_a_device(demo, device):
    session, failures = sluice.Session(add_model(), device), []

    def work(value):
        try:
            for rows in range(1, 6):
                a = np.full((rows, 3), value, np.float32)
                own = sluice.Session(add_model(), device)
                for s in (session, own):
                    np.testing.assert_array_equal(s.run(["sum"], {"a": a, "b": a[0]})[0], 2 * a)
                demo.logits(demo.tokenize(PROMPT))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_a_generation():
    script = f"""
import signal
import sluice
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
generator = sluice.Generator({str(DEMO)!r})
try:
    for token in generator.generate({PROMPT!r}, 100000, greedy=True, ignore_stop_tokens=True):
        print(token.id, flush=True)
except KeyboardInterrupt:
    print("interrupted", len(list(generator.generate({PROMPT!r}, 2, greedy=True))) > 0)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and rest.strip().endswith("interrupted True"), rest[-500:]
