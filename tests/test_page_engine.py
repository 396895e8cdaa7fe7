"""The page's forward pass gives what the Python package gives: hidden states, attention, edits, predictions."""

import json
import os

import keras
import numpy as np
import numpy_bert
import page_modules
import pytest
import small_world
from safetensors.numpy import load, save
from scipy.special import erf, softmax

import bertedu as be
from bertedu.checkpoints.common import weights
from bertedu.checkpoints.loading import ASSETS
from bertedu.data import documentation_sentences
from bertedu.interventions import switched_off
from bertedu.page.weights import model_files, unsupported
from tools import check_js, compile_kernels

pytestmark = pytest.mark.filterwarnings("ignore:text. expected at most")  # texts are cut off on purpose
MODULES = ["safetensors.js", "transformer.js"]
CREATE = """
const tensors = readSafetensors(read("weights.safetensors"));
const encoder = await Encoder.create(JSON.parse(readFileSync("model.json")), tensors, readFileSync("kernels.wasm"));
"""
RUN = f"""{CREATE}
values.texts.forEach(([ids, type_ids, edits], i) => {{
  const {{ embedding_output, encoder_outputs, attention }} = encoder.run(ids, type_ids, edits ?? undefined);
  write(`attention_${{i}}`, attention);
  write(`states_${{i}}`, Float32Array.from([embedding_output, ...encoder_outputs].flatMap((states) => [...states])));
}});
respond(encoder.kernels.memory.buffer.byteLength);
"""
FILL = f"""{CREATE}
const maskedLM = new MaskedLM(encoder, tensors);
values.texts.forEach(([ids, type_ids, edits, position], i) => {{
  write(`probabilities_${{i}}`, maskedLM.predict(ids, type_ids, position, edits ?? undefined));
}});
respond(null);
"""
KERNELS = """
const memory = new WebAssembly.Memory({ initial: 100 });
const kernels = (await WebAssembly.instantiate(readFileSync("kernels.wasm"), { page: { memory } })).instance.exports;
const heap = new Float32Array(memory.buffer);
"""
NOTHING = {"heads": [], "attention": [], "layers": []}
LONG = " ".join(documentation_sentences()[:8])


def write_files(folder, files):
    """Write the files of a model."""
    (folder / "weights.safetensors").write_bytes(files.weights)
    (folder / "model.json").write_text(json.dumps(files.config))
    (folder / "kernels.wasm").write_bytes((page_modules.PAGE / "kernels.wasm").read_bytes())


@pytest.fixture(scope="module")
def minilm():
    if be.presets.offline_model_directory() is None:
        pytest.skip("the offline model is missing")
    return be.load("minilm")


@pytest.fixture(scope="module")
def folders(minilm, tmp_path_factory):
    """The folders of the model by dtype."""
    found = {dtype: tmp_path_factory.mktemp(dtype) for dtype in ("float32", "float16")}
    for dtype, folder in found.items():
        write_files(folder, model_files(minilm, dtype, ASSETS / "minilm_mlm.safetensors"))
    return found


def pass_of(folder, readings, edits=()):
    """Return the attention `[L, N, T, T]` and the hidden states `[1 + L, T, D]` that the page computes for readings."""
    texts = [[list(map(int, r.ids)), list(map(int, r.type_ids)), *edits] for r in readings]
    page_modules.run(MODULES, RUN, folder, texts=texts)
    return [
        (
            np.fromfile(folder / f"attention_{i}", "float32").reshape(reading.attention.shape),
            np.fromfile(folder / f"states_{i}", "float32").reshape(-1, *reading.embedding_output.shape),
        )
        for i, reading in enumerate(readings)
    ]


def states(reading):
    return np.stack([reading.embedding_output, *reading.encoder_outputs])


# -- the kernels -------------------------------------------------------------------------------------------------------


def kernel(folder, script, **values):
    """Run a script over `kernels` and `heap`; return the values that it writes to "out"."""
    (folder / "kernels.wasm").write_bytes((page_modules.PAGE / "kernels.wasm").read_bytes())
    page_modules.run([], f"{KERNELS}{script}\nrespond(null);", folder, **values)
    return np.fromfile(folder / "out", "float32")


def test_kernels_wasm_is_the_translation_of_kernels_wat():
    reason = check_js.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    assert compile_kernels.translated() == compile_kernels.TARGET.read_bytes(), "python -m tools.compile_kernels"
    assert len(compile_kernels.TARGET.read_bytes()) < 4096


MATMUL = """
const { x, panels, bias, shape: [rows, inner, columns] } = values;
const [at, w, b, out] = [256, 256 + x.length + 8, 256 + x.length + panels.length + 16, 100000];
heap.set(x, at);
heap.set(panels, w);
heap.set(bias, b);
heap.fill(777, out, out + rows * columns + 64);
kernels.matmul(4 * at, inner, 4 * w, 4 * b, 4 * out, columns, rows, inner, columns);
write("out", heap.slice(out, out + rows * columns + 64));
"""


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 5, 7), (4, 3, 8), (5, 1, 9), (8, 4, 16), (7, 13, 23), (2, 31, 8), (33, 24, 40)]
)
def test_a_matrix_product_with_every_kind_of_edge(tmp_path, shape):
    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    x, w, bias = rng.normal(size=(rows, inner)), rng.normal(size=(inner, columns)), rng.normal(size=columns)
    padded = np.pad(w, [(0, 0), (0, -columns % 8)]).reshape(inner, -1, 8).transpose(1, 0, 2)
    values = {"x": x, "panels": padded, "bias": np.pad(bias, (0, -columns % 8))}
    out = kernel(tmp_path, MATMUL, shape=shape, **{name: value.ravel().tolist() for name, value in values.items()})
    np.testing.assert_allclose(out[: rows * columns].reshape(rows, columns), x @ w + bias, atol=1e-5)
    assert (out[rows * columns :] == 777).all()  # nothing is written behind the result


def test_gelu_is_the_exact_one(tmp_path):
    script = """
const count = 200001;
for (let i = 0; i < count; i++) heap[64 + i] = -10 + i / 10000;
write("in", heap.slice(64, 64 + count));
kernels.gelu(256, count);
write("out", heap.slice(64, 64 + count));
"""
    out = kernel(tmp_path, script)
    x = np.fromfile(tmp_path / "in", "float32").astype("float64")
    error = np.abs(out - x / 2 * (1 + erf(x / np.sqrt(2)))) / np.maximum(1, np.abs(x))
    assert error.max() < 1.1e-7
    extreme = kernel(
        tmp_path, "heap.set([-3e38, -100, 0, 100], 64); kernels.gelu(256, 4); write('out', heap.slice(64, 68));"
    )
    np.testing.assert_allclose(extreme, [0, 0, 0, 100], atol=1e-30)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 30, 127])
def test_softmax(tmp_path, size):
    x = np.random.default_rng(size).normal(size=(3, size)) * [[1], [10], [60]]
    script = """
heap.fill(777, 64, 64 + values.x.length + 8);
heap.set(values.x, 64);
kernels.softmax(256, 3, values.x.length / 3);
write("out", heap.slice(64, 64 + values.x.length + 8));
"""
    out = kernel(tmp_path, script, x=x.ravel().tolist())
    x = x.astype("float32")
    shifted = (x - x.max(-1, keepdims=True)).astype("float64")  # rounded to float32, as in any softmax in float32
    expected = softmax(shifted, axis=-1)
    np.testing.assert_allclose(out[: x.size].reshape(x.shape), expected, rtol=5e-7, atol=1e-37)
    assert (out[x.size :] == 777).all()


def test_layer_norm(tmp_path):
    rng = np.random.default_rng(0)
    x, gamma, beta = 3 + 2 * rng.normal(size=(5, 12)), rng.normal(size=12), rng.normal(size=12)
    script = """
heap.set(values.x, 64);
heap.set(values.gamma, 200);
heap.set(values.beta, 220);
kernels.layer_norm(256, 800, 880, 256, 5, 12, 0.25);
write("out", heap.slice(64, 124));
"""
    out = kernel(tmp_path, script, x=x.ravel().tolist(), gamma=gamma.tolist(), beta=beta.tolist())
    expected = gamma * (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 0.25) + beta
    np.testing.assert_allclose(out.reshape(5, 12), expected, atol=2e-6)


# -- the real model ----------------------------------------------------------------------------------------------------


def test_float32_hidden_states_and_attention_up_to_128_tokens(minilm, folders):
    sentences = documentation_sentences()
    readings = [minilm.read(LONG, max_length=n) for n in (128, 127, 126, 125, 97)]
    readings += [minilm.read(text) for text in ("", "a", *sentences[100:3000:500])]
    readings += [minilm.read(sentences[3], sentences[4]), minilm.read(LONG, LONG, max_length=128)]
    assert len(readings[0].tokens) == 128
    encoder = minilm.encoder
    numpy_weights = {path: np.array(variable, "float64") for path, variable in weights(encoder).items()}
    errors = []
    for reading, (attention, hidden) in zip(readings, pass_of(folders["float32"], readings), strict=True):
        words = numpy_weights["embeddings/word_embeddings/embeddings"][None, reading.ids]
        types, mask = np.array([reading.type_ids]), np.ones((1, len(reading.ids)))
        exact = numpy_bert.encoder(numpy_weights, words, types, mask, encoder.num_layers, numpy_bert.gelu_exact)
        exact_hidden = np.concatenate([exact[0], *exact[1]])
        differences = (
            attention - np.concatenate(exact[2]),
            hidden - exact_hidden,
            states(reading) - exact_hidden,
            attention - reading.attention,
            hidden - states(reading),
        )
        errors.append([np.abs(difference).max() for difference in differences])
    attention_error, hidden_error, of_read, attention_difference, hidden_difference = np.max(errors, axis=0)
    print(f"float32, from float64: attention {attention_error:.1e}, hidden states {hidden_error:.1e}")
    print(f"float32, from be.read: attention {attention_difference:.1e}, hidden states {hidden_difference:.1e}")
    assert attention_error < 1e-5 and hidden_error < 1e-5 and attention_difference < 1e-5
    assert hidden_difference < 1e-5 + of_read / 2  # `be.read` itself is up to 1e-5 from the exact hidden states


def test_float16_attention_on_50_texts(minilm, folders):
    sentences = documentation_sentences()
    chosen = [sentences[int(i)] for i in np.linspace(0, len(sentences) - 1, 48)]
    readings = [minilm.read(text) for text in chosen] + [minilm.read(LONG, max_length=n) for n in (128, 256)]
    error, rows, equal, missed = 0.0, 0, 0, 0.0
    for reading, (attention, _) in zip(readings, pass_of(folders["float16"], readings), strict=True):
        error = max(error, np.abs(attention - reading.attention).max())
        same = attention.argmax(-1) == reading.attention.argmax(-1)  # [L, N, T]
        rows, equal = rows + same.size, equal + same.sum()
        best = reading.attention.max(-1)
        chosen_weight = np.take_along_axis(reading.attention, attention.argmax(-1)[..., None], -1)[..., 0]
        missed = max(missed, (best - chosen_weight).max())
    print(f"float16: attention within {error:.1e}; strongest key equal in {equal / rows:.3%} of {rows:,} rows")
    print(f"where it is another one, the two weights differ by at most {missed:.1e}")
    assert error < 3e-3 and equal / rows >= 0.999


OFF = {
    "heads": {"heads": [[0, 3], [0, 11], [4, 0], [4, 0]]},
    "attention": {"attention": [2, 5]},
    "layers": {"layers": [1]},
    "first layers": {"layers": [0, 1]},
    "all layers": {"layers": [0, 1, 2, 3, 4, 5]},
    "everything at once": {"heads": [[0, 1], [3, 7]], "attention": [1, 3], "layers": [3, 4]},
}


@pytest.mark.parametrize("name", OFF)
def test_what_is_switched_off(minilm, folders, name):
    edit = switched_off(minilm.encoder, **OFF[name])
    reading = minilm.read("The cat sat on the mat.", "It was warm.", edit=edit)
    ((attention, hidden),) = pass_of(folders["float32"], [reading], [NOTHING | OFF[name]])
    np.testing.assert_allclose(attention, reading.attention, atol=1e-5)
    np.testing.assert_allclose(hidden, states(reading), atol=1e-5)
    plain = minilm.read("The cat sat on the mat.", "It was warm.")
    assert np.abs(hidden - states(plain)).max() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_masked_lm_probabilities(minilm, folders, dtype):
    questions = [
        ("Raise a [MASK] if the key is not found.", None, {}),
        ("Raise a [MASK] if the key is not found.", "It returns a [MASK].", {}),
        ("Return [MASK] if all characters in the string are digits.", None, OFF["everything at once"]),
        ("[MASK]", None, OFF["heads"]),
    ]
    model, folder = minilm.masked_lm_bert, folders[dtype]
    texts, expected = [], []
    for text, pair, off in questions:
        encoded = model.encode(text, pair)
        edit = switched_off(model.encoder, **off) if off else None
        predictions = minilm.fill_mask(text, pair, top_k=model.tokenizer.vocab_size, edit=edit)
        positions = [i for i, token in enumerate(encoded.ids) if token == model.tokenizer.mask_id]
        for position, pairs in zip(positions, predictions, strict=True):
            texts.append([encoded.ids, encoded.type_ids, NOTHING | off, position])
            expected.append(dict(pairs))
    page_modules.run(MODULES, FILL, folder, texts=texts)
    largest = 0
    for i, probabilities in enumerate(expected):
        got = np.fromfile(folder / f"probabilities_{i}", "float32")
        assert got.sum() == pytest.approx(1, abs=1e-5)
        wanted = np.array([probabilities[token] for token in model.tokenizer.vocabulary])
        largest = max(largest, np.abs(got - wanted).max())
        assert minilm.tokenizer.vocabulary[got.argmax()] == max(probabilities, key=probabilities.get)
    print(f"{dtype}: probabilities within {largest:.1e}")
    assert largest < (1e-5 if dtype == "float32" else 3e-3)


def test_predictions_leave_the_encoder_as_it_was(minilm, folders):
    ids = minilm.encode("The [MASK] sat.").ids
    script = f"""{CREATE}
const maskedLM = new MaskedLM(encoder, tensors);
const types = values.ids.map(() => 0);
const before = encoder.run(values.ids, types);
const first = maskedLM.predict(values.ids, types, 2);
const after = encoder.run(values.ids, types);
const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);
respond([same(before.attention, after.attention), same(before.encoder_outputs[5], after.encoder_outputs[5]),
  same(first, maskedLM.predict(values.ids, types, 2)), before.attention.buffer !== after.attention.buffer]);
"""
    assert page_modules.run(MODULES, script, folders["float32"], ids=ids) == [True] * 4


def test_memory_is_flat_over_200_passes_of_varying_lengths(folders):
    script = f"""{CREATE}
const maskedLM = new MaskedLM(encoder, tensors);
tensors.clear();
const kernels = encoder.kernels.memory.buffer.byteLength;
const sizes = [];
for (let i = 0; i < 250; i++) {{
  const length = 1 + ((i * 37) % 128);
  const ids = Array.from({{ length }}, (_, t) => (t * 91 + i) % 30000);
  encoder.run(ids, ids.map(() => 0), {{ heads: [[i % 6, i % 12]], attention: [], layers: [i % 6] }});
  if (i % 10 === 0) maskedLM.predict(ids, ids.map(() => 0), 0);
  global.gc();
  const {{ heapUsed, external, arrayBuffers }} = process.memoryUsage();
  sizes.push(heapUsed + external + arrayBuffers);
}}
respond({{ growth: encoder.kernels.memory.buffer.byteLength - kernels, sizes }});
"""
    measured = page_modules.run(MODULES, script, folders["float16"], ["--expose-gc"])
    assert measured["growth"] == 0
    sizes = measured["sizes"]  # freed at moments of the engine's choice, so the smallest of many are compared
    assert min(sizes[200:]) < min(sizes[50:100]) + 100_000


# -- other models ------------------------------------------------------------------------------------------------------


def small_bert(seed=0, with_head=False, **options):
    """A model of random weights whose sizes are no multiples of a tile: 5 heads of 4, 12 neurons."""
    keras.utils.set_random_seed(seed)
    sizes = {"hidden_size": 20, "num_layers": 2, "num_attention_heads": 5, "inner_dim": 12, "max_sequence_length": 29}
    vocabulary = small_world.VOCABULARY
    initializer = keras.initializers.RandomNormal(stddev=0.5)
    sizes |= {"inner_activation": "gelu", "type_vocab_size": 2, "initializer": initializer} | options
    encoder = be.BertEncoder(len(vocabulary), **sizes)
    for variable in encoder.weights:  # biases and norms too
        variable.assign(variable + keras.random.normal(variable.shape, stddev=0.2))
    head = be.BertPretrainer(encoder, "gelu") if with_head else None
    return be.Bert(be.BertTokenizer(vocabulary), encoder, masked_lm=head)


@pytest.mark.parametrize("num_attention_heads", [1, 4, 5])
def test_texts_of_every_length(tmp_path, num_attention_heads):
    bert = small_bert(num_attention_heads=num_attention_heads)
    write_files(tmp_path, model_files(bert, "float32"))
    readings = [bert.read("the cat sat on the mat . " * 5, max_length=n) for n in range(3, 30)]
    for reading, (attention, hidden) in zip(readings, pass_of(tmp_path, readings), strict=True):
        np.testing.assert_allclose(attention, reading.attention, atol=1e-5)
        np.testing.assert_allclose(hidden, states(reading), atol=1e-5)


def test_a_model_with_its_own_head(tmp_path):
    bert = small_bert(with_head=True)
    write_files(tmp_path, model_files(bert, "float32"))
    encoded = bert.encode("the [MASK] sat")
    page_modules.run(MODULES, FILL, tmp_path, texts=[[encoded.ids, encoded.type_ids, None, 2]])
    (predictions,) = bert.fill_mask("the [MASK] sat", top_k=20)
    probabilities = np.fromfile(tmp_path / "probabilities_0", "float32")
    expected = [dict(predictions)[token] for token in bert.tokenizer.vocabulary]
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"inner_activation": be.defaults.gelu_tanh}, "activation other than the exact GELU"),
        ({"inner_activation": "relu"}, "activation other than the exact GELU"),
        ({"attention_cls": be.TalkingHeadsAttention}, "attention_cls=TalkingHeadsAttention"),
        ({"feedforward_cls": be.GatedFeedforward}, "feedforward_cls=GatedFeedforward"),
        ({"norm_first": True}, "norm_first=True"),
        ({"inner_dim": 13}, "inner_dim=13, not a multiple of 4"),
        ({"embedding_width": 8}, "embeddings narrower"),
        ({"type_vocab_size": 1}, "a single type embedding"),
    ],
)
def test_models_that_the_page_cannot_run(options, reason):
    with pytest.raises(ValueError, match=reason):
        model_files(small_bert(**options))


def test_tokenizers_that_the_page_does_not_have():
    encoder = small_bert().encoder
    for options, reason in [({"strip_accents": False}, "strip_accents"), ({"added_tokens": ["the"]}, "added_tokens")]:
        (found,) = unsupported(be.Bert(be.BertTokenizer(small_world.VOCABULARY, **options), encoder))
        assert reason in found


def test_weights_beyond_float16_are_an_error():
    bert = small_bert()
    bert.encoder.weights[0].assign(bert.encoder.weights[0] + 1e6)
    with pytest.raises(ValueError, match='finite as float16. Use "float32"'):
        model_files(bert)
    model_files(bert, "float32")


def test_the_same_model_gives_the_same_bytes(minilm):
    first, second = (
        model_files(model, "float16", ASSETS / "minilm_mlm.safetensors") for model in (minilm, be.load("minilm"))
    )
    assert first == second
    assert len(first.weights) < 48 * 2**20
    assert {tensor.dtype.name for tensor in load(first.weights).values()} == {"float16"}


# -- errors ------------------------------------------------------------------------------------------------------------

ERROR = """
let message = null;
try {
  CODE
} catch (error) { message = error.message; }
respond(message);
"""


def error(folder, code, **values):
    return page_modules.run(MODULES, ERROR.replace("CODE", code), folder, **values)


def test_without_simd_the_error_says_which_browsers_have_it(tmp_path):
    write_files(tmp_path, model_files(small_bert()))
    (tmp_path / "kernels.wasm").write_bytes(b"\0asm\1\0\0\0\xff")
    message = error(tmp_path, CREATE)
    assert message.startswith("browser: expected WebAssembly with SIMD, got ") and "Safari from 16.4" in message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("encoder.run([], [])", "ids: expected 1 to 29 tokens, got 0."),
        ("encoder.run(Array(30).fill(5), Array(30).fill(0))", "ids: expected 1 to 29 tokens, got 30."),
        ("encoder.run([2, 20], [0, 0])", "ids: expected 0 to 19, got 20."),
        ("encoder.run([2, 3], [0, 2])", "type_ids: expected 0 to 1, got 2."),
        ("encoder.run([2, 3], [0])", "type_ids: expected 2 values, got 1."),
        (
            "encoder.run([2], [0], { heads: [[0, 5]], attention: [], layers: [] })",
            "edits.heads: expected 0 to 4, got 5.",
        ),
        ("encoder.run([2], [0], { heads: [], attention: [], layers: [-1] })", "edits.layers: expected 0 to 1, got -1."),
        ("new MaskedLM(encoder, tensors)", "weights: expected masked_lm/transform/kernel, got a file without it."),
    ],
)
def test_wrong_arguments(tmp_path, call, message):
    write_files(tmp_path, model_files(small_bert()))
    assert error(tmp_path, f"{CREATE}\n{call};") == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("layer_1/key/bias"), "weights: expected layer_1/key/bias, got a file without it."),
        (
            lambda tensors: tensors.update({"layer_2/key/bias": np.zeros(20, "float16")}),
            "weights: expected no other tensors, got layer_2/key/bias.",
        ),
        (
            lambda tensors: tensors.update({"embeddings/type": np.zeros((3, 20), "float16")}),
            "weights: embeddings/type: expected shape [2,20], got [3,20].",
        ),
    ],
)
def test_tensors_that_do_not_fit(tmp_path, change, message):
    files = model_files(small_bert())
    tensors = load(files.weights)
    change(tensors)
    write_files(tmp_path, files._replace(weights=save(tensors)))
    assert error(tmp_path, CREATE) == message


def with_header(header, data=b"\0" * 8):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


A = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a safetensors file, got 0 bytes"),
        (b"\1\0\0\0\0\0\0\0", "a header within 8 bytes, got one of 1 bytes"),
        (b"\xff" * 20, "a header within 20 bytes, got one of 18446744073709552000 bytes"),
        (with_header(b"{"), "a header in JSON, got something else"),
        (with_header(b'"\xff"'), "a header in JSON, got something else"),
        (with_header([]), "a JSON object as header, got []"),
        (with_header({"a": 1}), "a as F16 or F32, got undefined"),
        (with_header({"a": A | {"dtype": "BF16"}}), 'a as F16 or F32, got "BF16"'),
        (with_header({"a": A | {"shape": [-2]}}), "a list of sizes as shape of a, got [-2]"),
        (with_header({"a": A | {"shape": 2}}), "a list of sizes as shape of a, got 2"),
        (with_header({"a": A | {"shape": [1e300]}}), "a list of sizes as shape of a, got [1e+300]"),
        (with_header({"a": A | {"data_offsets": [0]}}), "two data_offsets of a, got [0]"),
        (with_header({"a": A | {"data_offsets": [0, 4]}}), "a at bytes 0 to 8, got bytes 0 to 4"),
        (with_header({"a": A, "b": A}), "b at bytes 8 to 16, got bytes 0 to 8"),
        (with_header({"a": A}, b"\0" * 7), "77 bytes, got 76"),
        (with_header({"a": A}, b"\0" * 9), "77 bytes, got 78"),
    ],
)
def test_damaged_weights(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    got = error(tmp_path, 'readSafetensors(read("file"));')
    assert got == f"weights: expected {message}. The file is damaged or incomplete; load the page again."


def test_float16_and_float32_values_at_any_address(tmp_path):
    halves = np.arange(65536, dtype="uint16").view("float16")
    singles = np.array([1.5, -2.25, 3e-40, np.inf], "float32")
    header = {
        "h": {"dtype": "F16", "shape": [65536], "data_offsets": [0, 131072]},
        "s": {"dtype": "F32", "shape": [2, 2], "data_offsets": [131072, 131088]},
        "__metadata__": {"a": "b"},
    }
    for spaces in range(4):  # the header may end at any byte
        text = json.dumps(header).encode() + b" " * spaces
        (tmp_path / "file").write_bytes(with_header(text, halves.tobytes() + singles.tobytes()))
        script = """
const tensors = readSafetensors(read("file"));
write("h", tensors.get("h").values);
write("s", tensors.get("s").values);
respond([[...tensors.keys()], tensors.get("s").shape]);
"""
        assert page_modules.run(MODULES, script, tmp_path) == [["h", "s"], [2, 2]]
        np.testing.assert_array_equal(np.fromfile(tmp_path / "h", "float32"), halves.astype("float32"))
        np.testing.assert_array_equal(np.fromfile(tmp_path / "s", "float32"), singles)
