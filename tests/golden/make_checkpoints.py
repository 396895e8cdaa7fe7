"""Writes the small checkpoints in `checkpoints/` with the peers' own tools, and what the peers compute from them.

    python tests/golden/make_checkpoints.py

It needs an environment of its own (Python 3.11): `pip install tensorflow==2.20.0 tf-keras==2.20.1
tensorflow-text==2.20.1 keras==3.15.1 gin-config immutabledict pyyaml six pandas scipy psutil sentencepiece
"setuptools<81"`, then `pip install --no-deps tf-models-official==2.20.0`. bertedu is neither needed nor imported.

Every BERT here has the same weights, drawn with a fixed seed and named as in google-research/bert; the other forms come
from them through tf-models' converter, so a reader that mixes two tensors up cannot pass. `expected.npz` in each folder
holds what the peer computes from that very file, on the inputs in `inputs.npz`.

The exported SavedModels are reduced after their outputs have been computed: their graphs are a megabyte each and a
reader of data needs none of them. `saved_model.pb` keeps its object graph without functions, and in a preprocessor
which operations each function has; `keras_metadata.pb` and `fingerprint.pb` are left out.
"""

import dataclasses
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the operations of a preprocessor)
import tf_keras
from official.legacy.bert import configs
from official.modeling import hyperparams, tf_utils
from official.nlp.configs import encoders
from official.nlp.modeling import layers, models, networks
from official.nlp.tools import export_tfhub_lib, tf2_bert_encoder_checkpoint_converter
from tensorflow.core.protobuf import saved_model_pb2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from small_world import VOCABULARY  # tests/small_world.py, which imports nothing

HERE = Path(__file__).resolve().parent / "checkpoints"
WORDS = [*VOCABULARY, "Cat", "##s", "!"]
V, D, L, N, F, P, T = len(WORDS), 21, 2, 3, 31, 29, 2  # words, width, layers, heads, inner, positions, types
W = 13  # the width of the tables in `v2_narrow`
CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": D,
    "initializer_range": 0.02,
    "intermediate_size": F,
    "max_position_embeddings": P,
    "num_attention_heads": N,
    "num_hidden_layers": L,
    "type_vocab_size": T,
    "vocab_size": V,
}
GOOGLE = f"uncased_L-{L}_H-{D}_A-{N}"  # the folder, as in google-research's zips
SIZES = {"vocab_size": V, "hidden_size": D, "num_layers": L, "num_attention_heads": N, "max_sequence_length": P}
SIZES |= {"type_vocab_size": T, "inner_dim": F}
GELU = tf_utils.get_activation("gelu")  # the tanh form


def inputs():
    """Two rows: a pair that fills its row, and a single text with padding; and positions to predict."""
    rng = np.random.default_rng(3)
    return {
        "input_word_ids": rng.integers(0, V, (2, 11)).astype("int32"),
        "input_mask": np.array([[1] * 11, [1] * 7 + [0] * 4], "int32"),
        "input_type_ids": np.array([[0] * 5 + [1] * 6, [0] * 11], "int32"),
        "masked_lm_positions": np.array([[1, 5, 10], [0, 6, 3]], "int32"),
    }


INPUTS = inputs()
TEXT = {name: INPUTS[name] for name in ("input_word_ids", "input_mask", "input_type_ids")}


def strong(name, shape, rng):
    """Weights so large that a wrong activation, order or transposition shows in the outputs."""
    return rng.normal(name.endswith("gamma"), 0.3, shape).astype("float32")


def tf1_tensors():
    """The tensors of google-research/bert's `run_pretraining.py`: encoder, both heads, Adam's slots, the step."""
    shapes = {
        "bert/embeddings/word_embeddings": (V, D),
        "bert/embeddings/position_embeddings": (P, D),
        "bert/embeddings/token_type_embeddings": (T, D),
        "cls/predictions/output_bias": (V,),
        "cls/seq_relationship/output_weights": (2, D),
        "cls/seq_relationship/output_bias": (2,),
    }
    dense = {"bert/pooler/dense": (D, D), "cls/predictions/transform/dense": (D, D)}
    norms = ["bert/embeddings/LayerNorm", "cls/predictions/transform/LayerNorm"]
    for layer in (f"bert/encoder/layer_{i}" for i in range(L)):
        dense |= {f"{layer}/attention/self/{part}": (D, D) for part in ("query", "key", "value")}
        dense |= {f"{layer}/attention/output/dense": (D, D)}
        dense |= {f"{layer}/intermediate/dense": (D, F), f"{layer}/output/dense": (F, D)}
        norms += [f"{layer}/attention/output/LayerNorm", f"{layer}/output/LayerNorm"]
    for name, shape in dense.items():
        shapes |= {f"{name}/kernel": shape, f"{name}/bias": shape[1:]}
    for name in norms:
        shapes |= {f"{name}/gamma": (D,), f"{name}/beta": (D,)}
    rng = np.random.default_rng(7)
    tensors = {name: strong(name, shape, rng) for name, shape in sorted(shapes.items())}
    slots = ("bert/pooler/dense/kernel", "bert/encoder/layer_0/attention/self/query/kernel")  # two stand for all
    tensors |= {f"{name}/adam_{m}": np.zeros_like(tensors[name]) for name in slots for m in "mv"}
    return tensors | {"global_step": np.int64(1000)}


def folder(name):
    """An empty folder of that name."""
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def write_vocabulary(path):
    path.write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")


def save_expected(directory, outputs):
    """Flattens a dict of outputs into expected.npz: `encoder_outputs` becomes one array `[L, B, T, D]`."""
    arrays = {}
    for name, value in outputs.items():
        name = {"word_embeddings": "embedding_output"}.get(name, name)  # so they call what enters the first layer
        arrays[name] = np.stack([np.asarray(x) for x in value] if isinstance(value, list) else np.asarray(value))
    arrays.pop("default", None)
    np.savez(directory / "expected.npz", **arrays)


def write_tf1():
    """A checkpoint as in google-research's zips: no `checkpoint` file, bert_config.json and vocab.txt beside it."""
    directory = folder(GOOGLE)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [tf.compat.v1.Variable(value, name=name) for name, value in tf1_tensors().items()]
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(variables)
        saver.save(session, str(directory / "bert_model.ckpt"), write_meta_graph=False, write_state=False)
    (directory / "bert_config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")
    write_vocabulary(directory / "vocab.txt")
    return directory / "bert_model.ckpt"


def convert(tf1, kind, model_name, stem):
    """tf-models' converter from TF1; returns the new checkpoint's prefix."""
    directory = folder(f"tf2_{kind}")
    config = configs.BertConfig.from_dict(CONFIG)
    tf2_bert_encoder_checkpoint_converter.convert_checkpoint(
        config, str(directory / stem), str(tf1), model_name, converted_model=kind
    )
    return directory / f"{stem}-1"


def v1_encoder(prefix, item="encoder"):
    """tf-models' V1 encoder with the weights of `prefix`."""
    encoder = networks.BertEncoder(
        **SIZES, inner_activation=GELU, dict_outputs=True, return_word_embeddings=True, name="v1"
    )
    tf.train.Checkpoint(**{item: encoder}).restore(str(prefix)).assert_existing_objects_matched()
    return encoder


def v2_encoder(v1=None, **arguments):
    """tf-models' V2 encoder, with the weights of a V1 encoder (else strong random ones)."""
    encoder = networks.BertEncoderV2(**SIZES, inner_activation=GELU, return_word_embeddings=True, **arguments)
    encoder(encoder.inputs)
    rng = np.random.default_rng(11)
    theirs = {weight.name: weight.numpy() for weight in v1.weights} if v1 else {}
    for weight in encoder.weights:
        name = weight.name.split("/", 1)[1]  # without the layer's own name
        weight.assign(theirs[name] if v1 else strong(name.removesuffix(":0"), weight.shape, rng))
    return encoder


def pretrainer_of(encoder, v1_pretrainer, **arguments):
    """tf-models' pretrainer on `encoder`, with the head of another one."""
    pretrainer = models.BertPretrainerV2(encoder, mlm_activation=GELU, **arguments)
    pretrainer(pretrainer.inputs)
    for ours, theirs in zip(pretrainer.masked_lm.weights, v1_pretrainer.masked_lm.weights, strict=True):
        assert ours.name.split("/")[-2:] == theirs.name.split("/")[-2:]
        ours.assign(theirs)
    return pretrainer


def write_converted(tf1):
    """The two forms that the converter writes; expectations for them and for TF1. Returns both encoders' owners."""
    encoder = v1_encoder(convert(tf1, "encoder", "encoder", "bert_model.ckpt"))
    save_expected(HERE / "tf2_encoder", encoder(TEXT))

    prefix = convert(tf1, "pretrainer", "model", "ckpt")
    pretrainer = models.BertPretrainerV2(v1_encoder(prefix), mlm_activation=GELU)
    pretrainer(pretrainer.inputs)
    tf.train.Checkpoint(**pretrainer.checkpoint_items).restore(str(prefix)).assert_existing_objects_matched()
    outputs = pretrainer(INPUTS)
    for name in (GOOGLE, "tf2_pretrainer"):
        save_expected(HERE / name, outputs)
    return prefix, pretrainer


def write_v2(v1_pretrainer):
    """What a tf-models user saves of a V2 encoder: alone, narrow, pretrainer, and classifiers in training."""
    v1 = v1_pretrainer.encoder_network
    for name, encoder in {"v2_encoder": v2_encoder(v1), "v2_narrow": v2_encoder(embedding_width=W)}.items():
        directory = folder(name)
        tf.train.Checkpoint(encoder=encoder).save(str(directory / "ckpt"))
        save_expected(directory, encoder(TEXT))

    directory = folder("v2_pretrainer")
    heads = [layers.ClassificationHead(D, 2, name="next_sentence")]
    pretrainer = pretrainer_of(v2_encoder(v1), v1_pretrainer, classification_heads=heads)
    tf.train.Checkpoint(**pretrainer.checkpoint_items).save(str(directory / "ckpt"))
    outputs = pretrainer(INPUTS)
    save_expected(directory, {name: value for name, value in outputs.items() if name != "next_sentence"})

    optimizers = {"v2_classifier": tf_keras.optimizers.Adam(), "v1_classifier": tf_keras.optimizers.legacy.Adam()}
    for name, optimizer in optimizers.items():
        directory = folder(name)
        encoder = v1 if name == "v1_classifier" else v2_encoder(v1)
        expected = encoder(TEXT)
        model = models.BertClassifier(encoder, num_classes=3)
        variables = model.trainable_variables[:2] + model.trainable_variables[-2:]  # enough to have slots
        optimizer.apply_gradients([(tf.zeros_like(variable), variable) for variable in variables])
        step = tf.Variable(1, dtype=tf.int64, name="global_step")
        tf.train.Checkpoint(model=model, optimizer=optimizer, global_step=step).save(str(directory / "ckpt"))
        save_expected(directory, expected)


def talking_heads():
    """tf-models' scaffold of the Hub's talkheads_ggelu models."""
    initializer = tf_keras.initializers.TruncatedNormal(0.02)
    embedding = {"vocab_size": V, "type_vocab_size": T, "hidden_size": D, "max_seq_length": P}
    layer = {"num_attention_heads": N, "inner_dim": F, "dropout_rate": 0.1, "attention_dropout_rate": 0.1}
    layer |= {"attention_cls": layers.TalkingHeadsAttention, "feedforward_cls": layers.GatedFeedforward}
    return networks.EncoderScaffold(
        pooled_output_dim=D,
        embedding_cfg=embedding | {"initializer": initializer, "dropout_rate": 0.1},
        num_hidden_instances=L,
        hidden_cls=layers.TransformerScaffold,
        hidden_cfg=layer,
        return_all_layer_outputs=True,
        dict_outputs=True,
    )


@dataclasses.dataclass
class ScaffoldConfig(hyperparams.Config):
    """What `export_model` builds the scaffold from."""

    hidden_activation: str = "gelu"


ScaffoldConfig.BUILDER = staticmethod(lambda config: talking_heads())


def export(name, checkpoint, with_mlm, lowercase, **config):
    """tf-models' exporter; the outputs are those of the SavedModel itself, opened by TensorFlow."""
    directory, temporary = folder(name), Path(tempfile.mkdtemp())
    write_vocabulary(temporary / "vocab.txt")
    export_tfhub_lib.export_model(
        str(directory),
        **config,
        model_checkpoint_path=str(checkpoint),
        with_mlm=with_mlm,
        vocab_file=str(temporary / "vocab.txt"),
        do_lower_case=lowercase,
    )
    loaded = tf.saved_model.load(str(directory))
    outputs = dict(loaded(TEXT))
    if with_mlm:
        outputs["mlm_logits"] = loaded.mlm(INPUTS)["mlm_logits"]
    save_expected(directory, outputs)
    reduce(directory)


def write_hub(pretrainer):
    """SavedModels: an encoder, one with `.mlm`, and the talking heads, whose checkpoint is kept too."""
    config = {"bert_config": configs.BertConfig.from_dict(CONFIG)}
    export("hub_encoder", pretrainer, with_mlm=False, lowercase=True, **config)
    export("hub_mlm", pretrainer, with_mlm=True, lowercase=False, **config)

    scaffold, rng = talking_heads(), np.random.default_rng(13)
    for weight in scaffold.weights:
        weight.assign(strong(weight.name.removesuffix(":0"), weight.shape, rng))
    directory = folder("talking_heads")
    prefix = tf.train.Checkpoint(encoder=scaffold).save(str(directory / "ckpt"))
    save_expected(directory, scaffold(TEXT))
    config = {"encoder_config": encoders.EncoderConfig(type="any", any=ScaffoldConfig())}
    export("hub_talking_heads", prefix, with_mlm=False, lowercase=True, **config)


def write_preprocessors():
    """The preprocessor SavedModels, uncased and cased."""
    temporary = Path(tempfile.mkdtemp())
    write_vocabulary(temporary / "vocab.txt")
    for name, lowercase in {"hub_preprocessor_lower": True, "hub_preprocessor_as_is": False}.items():
        export_tfhub_lib.export_preprocessing(
            str(folder(name)),
            vocab_file=str(temporary / "vocab.txt"),
            do_lower_case=lowercase,
            tokenize_with_offsets=False,
            default_seq_length=11,
        )
        reduce(HERE / name, keep_operations=True)


def reduce(directory, keep_operations=False):
    """Takes out of a SavedModel what only running it needs; see the top of this file."""
    path = directory / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in model.meta_graphs:
        graph.ClearField("signature_def")
        graph.meta_info_def.ClearField("stripped_op_list")
        graph.object_graph_def.ClearField("concrete_functions")
        graph.graph_def.ClearField("node")
        functions = [(f.signature.name, sorted({n.op for n in f.node_def})) for f in graph.graph_def.library.function]
        graph.graph_def.library.Clear()
        for name, operations in functions if keep_operations else ():
            function = graph.graph_def.library.function.add()
            function.signature.name = name
            for operation in operations:
                function.node_def.add(op=operation)
    path.write_bytes(model.SerializeToString(deterministic=True))
    for name in ("keras_metadata.pb", "fingerprint.pb"):
        (directory / name).unlink(missing_ok=True)


def main():
    """Writes everything."""
    tf1 = write_tf1()
    np.savez(HERE / "inputs.npz", **INPUTS)
    prefix, pretrainer = write_converted(tf1)
    write_v2(pretrainer)
    write_hub(prefix)
    write_preprocessors()


if __name__ == "__main__":
    main()
