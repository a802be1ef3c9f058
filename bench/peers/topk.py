"""Times TopK graphs on ONNX Runtime's WebGPU provider: bench/peers/topk.py [PROVIDER_LIBRARY].

Inputs and outputs stay on the device (IO binding); a sample is the time of 100 runs and one synchronisation, divided by their
number. Prints one line of JSON a graph: kernel, shape, median microseconds of a run, where the tensors lay.
"""

import argparse
import json
import statistics
import time

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from provider import Provider

SIZES = ((128, 128, 8), (1, 128, 8), (512, 256, 8), (1, 400, 400), (64, 1000, 10), (1, 2000, 50), (1, 4096, 50), (1, 4096, 1024),
         (1, 32768, 50), (1, 201088, 1), (1, 201088, 50), (8, 201088, 50), (1, 201088, 1000), (1, 8192, 8192), (1, 32768, 32768),
         (1, 65536, 65536), (1, 131072, 131072), (1, 1048576, 1048576), (10000, 128, 8), (100000, 40, 5))


def model(shape, k, adds):
    nodes = [helper.make_node("TopK", ["sum" if adds else "x", "k"], ["values", "indices"], axis=-1, largest=1, sorted=1)]
    constants = [numpy_helper.from_array(np.array([k]), "k")]
    if adds:
        nodes = [helper.make_node("Add", ["x", "one"], ["sum"]), *nodes, helper.make_node("Add", ["values", "one"], ["more"])]
        constants.append(numpy_helper.from_array(np.array([1], np.float32), "one"))
    out = list(shape[:-1]) + [k]
    outputs = [helper.make_tensor_value_info("more" if adds else "values", TensorProto.FLOAT, out),
               helper.make_tensor_value_info("indices", TensorProto.INT64, out)]
    graph = helper.make_graph(nodes, "topk", [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def bind_all(provider, session, arrays):
    """Inputs and outputs in the provider's memory, "device"; the outputs alone, "outputs"; or nothing, "host"."""
    failures = []
    for memory in ("device", "outputs", "host"):
        binding = session.io_binding()
        try:
            for name, array in arrays["inputs"].items():
                if memory == "device":
                    binding.bind_ortvalue_input(name, provider.upload(array))
                else:
                    binding.bind_cpu_input(name, array)
            for name, array in arrays["outputs"].items():
                if memory == "device":
                    binding.bind_ortvalue_output(name, provider.upload(array))
                else:
                    binding.bind_output(name, "webgpu" if memory == "outputs" else "cpu")
            session.run_with_iobinding(binding)
            binding.get_outputs()[0].numpy()
            return binding, memory, failures
        except Exception as error:  # noqa: BLE001 - whatever a version throws, the next way is tried
            failures.append(f"{memory}: {error}"[:160])
    raise SystemExit(f"no way to bind the tensors: {failures}")


def samples(session, binding, runs, repeats):
    def many():
        for _ in range(runs):
            session.run_with_iobinding(binding)
        binding.get_outputs()[-1].numpy()  # waits for the GPU

    for _ in range(3):
        many()
    result = []
    for _ in range(repeats):
        begin = time.perf_counter()
        many()
        result.append((time.perf_counter() - begin) / runs * 1e6)
    return result


def measure(provider, shape, k, adds):
    session = provider.session(model(shape, k, adds))
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    out = (*shape[:-1], k)
    arrays = {"inputs": {"x": x}, "outputs": {"more" if adds else "values": np.zeros(out, np.float32), "indices": np.zeros(out, np.int64)}}
    binding, memory, failures = bind_all(provider, session, arrays)
    record = {"kernel": "add+topk+add" if adds else "topk", "runtime": "onnxruntime-webgpu", "shape": f"{shape[-2]}x{shape[-1]} k={k}",
              "us": round(statistics.median(samples(session, binding, 100, 9)), 2), "memory": memory}
    return record | ({"failures": failures} if failures else {})


def main():
    parser = argparse.ArgumentParser(description="Times TopK on ONNX Runtime's WebGPU provider.")
    parser.add_argument("library", nargs="?", help="the provider's library (default: the installed package's)")
    provider = Provider(parser.parse_args().library)
    print(json.dumps(measure(provider, (1, 128, 128), 8, True)), flush=True)
    for rows, columns, k in SIZES:
        print(json.dumps(measure(provider, (rows, columns), k, False)), flush=True)


if __name__ == "__main__":
    main()
