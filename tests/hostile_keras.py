"""Hostile `.keras` files and directories of ours: configurations that name code, weights that lie elsewhere."""

import h5py
from hostile_base import (
    WEIGHTS,
    Hostile,
    bytecode,
    directory,
    first_vector,
    keras_file,
    set_at,
)

FLOAT32 = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}


def function(module, name):
    """Return the configuration of a function or class by which Keras finds it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def layer(module, class_name, config, inbound=(), registered_name=None):
    """Return the configuration of a layer in a functional model, called on `inbound`: pairs of args and kwargs."""
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": "odd", "trainable": True, "dtype": FLOAT32} | config,
        "registered_name": registered_name,
        "name": config.get("name", "odd"),
        "inbound_nodes": [{"args": list(args), "kwargs": kwargs} for args, kwargs in inbound],
    }


def calling(target, argument, **arguments):
    """Return a Lambda layer that calls `target` on a constant while the model is rebuilt."""
    return layer("keras.layers", "Lambda", {"function": target, "arguments": arguments}, [([], {"inputs": argument})])


def saved_model_layer(trap):
    """Return a TFSMLayer that loads a SavedModel whose initializer writes the marker."""
    config = {"filepath": str(trap.program), "call_endpoint": "serve"}
    return layer("keras.layers", "TFSMLayer", config)


def condition(name, function, **config):
    """Return a `keras.ops.cond` that calls `function` while the model is rebuilt."""
    node = [([True, function, function], {})]
    return layer("keras.src.ops.core", "Cond", {"name": name} | config, node) | {"config": {"name": name}}


def functional(*layers):
    """Return a functional model of one input of 6 dimensions, and of `layers`."""
    start = {"batch_shape": [None, 6], "dtype": "float32", "sparse": False, "name": "start"}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": "functional",
            "trainable": True,
            "layers": [
                {
                    "module": "keras.layers",
                    "class_name": "InputLayer",
                    "config": start,
                    "registered_name": None,
                    "name": "start",
                    "inbound_nodes": [],
                },
                *layers,
            ],
            "input_layers": [["start", 0, 0]],
            "output_layers": [["start", 0, 0]],
        },
        "registered_name": "Functional",
    }


LAYERS = {
    "Lambda that calls TFSMLayer on a path": lambda trap: [
        calling(function("keras.layers", "TFSMLayer"), str(trap.program), call_endpoint="serve")
    ],
    "TFSMLayer": lambda trap: [saved_model_layer(trap)],
    "Lambda that calls plot_image_gallery with a path": lambda trap: [
        calling(
            function("keras.visualization", "plot_image_gallery"),
            {"class_name": "__numpy__", "config": {"value": [[[[0.0] * 3] * 2] * 2], "dtype": "float32"}},
            path=str(trap.marker),
            rows=1,
            cols=1,
        )
    ],
    "Lambda that calls get_file": lambda trap: [
        calling(
            function("keras.utils", "get_file"),
            "marker.png",
            origin=trap.canary.as_uri(),
            cache_dir=str(trap.folder),
            cache_subdir="",
        )
    ],
    "Lambda that calls set_floatx": lambda trap: [calling(function("keras.config", "set_floatx"), "float64")],
    "Lambda that calls set_epsilon": lambda trap: [calling(function("keras.config", "set_epsilon"), 0.25)],
    "Lambda that calls set_max_epochs": lambda trap: [calling(function("keras.config", "set_max_epochs"), 1)],
    "Lambda of bytecode": lambda trap: [
        layer("keras.layers", "Lambda", {"function": bytecode(writes(trap)), "arguments": {}}, [([], {"inputs": 1.0})])
    ],
    "cond that allows bytecode, then runs it": lambda trap: [
        condition("allow", function("keras.config", "enable_unsafe_deserialization")),
        condition("run", bytecode(writes(trap))),
    ],
    "class that other code registered": lambda trap: [
        layer("somewhere", "Probe", {}, registered_name="other>Probe"),
    ],
    "function that other code registered": lambda trap: [calling(function("builtins", "other>probe"), 1.0)],
    "module to be imported": lambda trap: [layer("keras_nlp", "Evil", {}, registered_name="Evil")],
    "module of another package": lambda trap: [layer("trap_module", "Evil", {}, registered_name="Evil")],
}
"""What a model could hold that runs code while Keras rebuilds it: name -> function of the trap."""


def writes(trap):
    """Return an expression that creates the marker."""
    return f"open({str(trap.marker)!r}, 'w').close() or 1.0"


def values(trap):
    """Return what stands where an activation, initializer or class is expected: name -> configuration."""
    return {
        "os.system": function("os", "system"),
        "set_floatx": function("keras.config", "set_floatx"),
        "function that other code registered": function("builtins", "other>probe"),
        "name that other code registered": "other>Probe",
        "class that other code registered": layer("somewhere", "Probe", {}, registered_name="other>Probe"),
        "bytecode": bytecode(writes(trap)),
        "__tensor__": {"class_name": "__tensor__", "config": {"value": [1.0], "dtype": "float32"}},
        "__numpy__": {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "float32"}},
        "__typespec__": {
            "class_name": "__typespec__",
            "spec_name": "Evil",
            "module": "keras_nlp",
            "config": [],
            "registered_name": None,
        },
        "__ellipsis__": {"class_name": "__ellipsis__", "config": {}},
        "TFSMLayer": saved_model_layer(trap),
    }


FIELDS = ("inner_activation", "initializer", "attention_cls", "feedforward_cls", "embedding_layer", "output_range")
VALUES = (
    *("os.system", "set_floatx", "function that other code registered", "name that other code registered"),
    *("class that other code registered", "bytecode", "__tensor__", "__numpy__", "__typespec__", "__ellipsis__"),
    "TFSMLayer",
)
ODD = [(field, value) for field in FIELDS for value in VALUES if field == FIELDS[0] or value == VALUES[4]]
"""Every value in one field, and one value in every field."""


def encoder_of(state):
    """Return the configuration of the encoder in a functional model."""
    return next(layer for layer in state["config"]["layers"] if layer["class_name"] == "BertEncoder")


def with_layers(make):
    """Return a writer of a functional `.keras` file with further layers."""
    return lambda folder, trap: keras_file(folder, lambda state: state["config"]["layers"].extend(make(trap)))


def with_field(field, value):
    """Return a writer of a `.keras` file whose encoder has one odd argument."""
    return lambda folder, trap: keras_file(
        folder, lambda s: encoder_of(s)["config"].update({field: values(trap)[value]})
    )


def with_head(make):
    """Return a writer of a `.keras` classifier with an odd `cls_head`."""
    return lambda folder, trap: keras_file(folder, set_at("config", "cls_head", make(trap)), source="classifier")


def in_model(*keys, make, source="classifier"):
    """Return a writer of a directory of ours with an odd value at `keys` of bertedu.json."""
    return lambda folder, trap: directory(folder, f"v0_1/{source}/bertedu", {"bertedu.json": set_at(*keys, make(trap))})


def with_weights(edit):
    """Return a writer of a `.keras` file whose weights were edited; `edit` takes the open file, a name, the trap."""
    return lambda folder, trap: keras_file(folder, weights=lambda file: edit(file, first_vector(file), trap))


def external_storage(file, name, trap):
    """Put the values of a dataset into another file."""
    shape = file[name].shape
    del file[name]
    size = 4 * shape[0]
    file.create_dataset(name, shape, "float32", external=[(str(trap.bytes), 0, size)])


def external_link(file, name, trap):
    """Put a dataset into another HDF5 file."""
    del file[name]
    file[name] = h5py.ExternalLink(str(trap.h5), "canary")


def soft_link(file, name, trap):
    """Make a dataset a link to another dataset in the same file."""
    file.copy(name, "elsewhere")
    del file[name]
    file[name] = h5py.SoftLink("/elsewhere")


def linked_group(file, name, trap):
    """Make the group of a dataset a link to another dataset in the same file."""
    group = name.rpartition("/")[0]
    file.move(group, "elsewhere")
    file[group] = h5py.SoftLink("/elsewhere")


def virtual_dataset(file, name, trap):
    """Put the values of a dataset together from another file."""
    shape = file[name].shape
    del file[name]
    layout = h5py.VirtualLayout(shape, "float32")
    layout[: shape[0]] = h5py.VirtualSource(str(trap.h5), "canary", (21,))[: shape[0]]
    file.create_virtual_dataset(name, layout)


HDF5 = {
    "external storage": external_storage,
    "an external link": external_link,
    "a soft link": soft_link,
    "a linked group": linked_group,
    "a virtual dataset": virtual_dataset,
}


def preprocessor_vocab(value):
    """Return a writer of a `.keras` file from texts whose tokenizer has `value(trap)` as its vocabulary."""

    def write(folder, trap):
        keys = ("config", "layers", 1, "config", "tokenizer", "config", "vocab")
        path = keras_file(folder, set_at(*keys, value(trap)), source="from_texts")
        return path

    return write


def extra_member(name):
    """Return a writer of a `.keras` file with one more member."""
    return lambda folder, trap: keras_file(folder, members={name.format(marker=trap.marker): b"executed"})


def compiled(field):
    """Return a writer of a `.keras` file whose encoder brings an odd `compile_config` or `build_config`."""

    def write(folder, trap):
        odd = {"optimizer": saved_model_layer(trap), "loss": function("keras.config", "set_floatx"), "metrics": []}
        odd = odd if field == "compile_config" else {"input_shape": saved_model_layer(trap)}
        return keras_file(folder, lambda state: encoder_of(state).update({field: odd}))

    return write


def head_of(make):
    """Return a function of the trap that puts the layers of `make` into a functional model."""
    return lambda trap: functional(*make(trap))


DENSE = ("activation", "kernel_initializer", "bias_initializer", "kernel_regularizer", "kernel_constraint", "dtype")
PRETRAINER = ("mlm_activation", "mlm_initializer", "customized_masked_lm")
REGISTERED = "class that other code registered"


def dense_heads():
    """Return files whose `cls_head` is a Dense layer with one odd argument."""
    source, keys = "classifier_with_a_dense_head", ("cls_head", "config")
    for field in DENSE:
        set_field = lambda trap, field=field: values(trap)[REGISTERED]  # noqa: E731
        yield Hostile(
            f".keras: Dense head: {field}",
            lambda folder, trap, field=field, make=set_field: keras_file(
                folder, set_at("config", *keys, field, make(trap)), source=source
            ),
            (field,),
        )
        yield Hostile(
            f"bertedu.json: Dense head: {field}",
            in_model("classifier", *keys, field, make=set_field, source=source),
            (field,),
        )


def registered_names():
    """Return files in which a part of ours has the registered name of other code."""
    locations = {
        "model": ("classifier",),
        "encoder": ("classifier", "config", "network"),
        "Dense head": ("classifier_with_a_dense_head", "config", "cls_head"),
        "masked LM": ("masked_lm",),
        "input": ("from_texts", "config", "layers", 0),
        "preprocessor": ("from_texts", "config", "layers", 1),
        "tokenizer": ("from_texts", "config", "layers", 1, "config", "tokenizer"),
        "encoder of a functional model": ("from_texts", "config", "layers", 2),
        "functional model": ("encoder",),
    }
    for part, (source, *keys) in locations.items():
        yield Hostile(
            f".keras: registered_name of other code: {part}",
            lambda folder, trap, source=source, keys=keys: keras_file(
                folder, set_at(*keys, "registered_name", "other>Probe"), source=source
            ),
            ("other>Probe", "registered_name"),
        )


def pretrainers():
    """Return masked-LM models with one odd argument."""
    for field in PRETRAINER:
        yield Hostile(
            f".keras: {field}",
            lambda folder, trap, field=field: keras_file(
                folder, set_at("config", field, values(trap)[REGISTERED]), source="masked_lm"
            ),
            (field,),
        )
    for field in ("activation", "initializer", "dtype"):
        make = lambda trap: values(trap)[REGISTERED]  # noqa: E731
        write = in_model("masked_lm", field, make=make, source="masked_lm")
        yield Hostile(f"bertedu.json: masked LM: {field}", write, (field,))


CLASS_NAMES = ("Lambda", "TFSMLayer", "Cond", "Probe", "Evil", "probe", "keras_nlp", "trap_module", "Functional")
TABLE = [
    *(Hostile(f".keras: {name}", with_layers(make), CLASS_NAMES) for name, make in LAYERS.items()),
    *(
        Hostile(f".keras: head: {name}", with_head(head_of(make)), ("cls_head", *CLASS_NAMES))
        for name, make in LAYERS.items()
    ),
    *(
        Hostile(
            f"bertedu.json: head: {name}",
            in_model("classifier", "cls_head", make=head_of(make)),
            ("cls_head", *CLASS_NAMES),
        )
        for name, make in LAYERS.items()
    ),
    *(Hostile(f".keras: {field}: {value}", with_field(field, value), (field,)) for field, value in ODD),
    *(
        Hostile(
            f"bertedu.json: {field}: {value}",
            in_model("encoder", field, make=lambda trap, value=value: values(trap)[value]),
            (field,),
        )
        for field, value in ODD
    ),
    *dense_heads(),
    *pretrainers(),
    *registered_names(),
    *(Hostile(f".keras: weights: {name}", with_weights(edit), (WEIGHTS, "vars")) for name, edit in HDF5.items()),
    Hostile(".keras: vocab is a path", preprocessor_vocab(lambda trap: str(trap.canary)), ("vocab",)),
    Hostile(".keras: vocab is a path to another text", preprocessor_vocab(lambda trap: str(trap.repeated)), ("vocab",)),
    Hostile(".keras: vocab is an object", preprocessor_vocab(lambda trap: functional()), ("vocab",)),
    Hostile(".keras: a member outside", extra_member("../../{marker}"), opens=True),
    Hostile(".keras: a member at an absolute path", extra_member("{marker}"), opens=True),
    Hostile(
        ".keras: head with a compile_config",
        with_head(lambda trap: functional() | {"compile_config": {"optimizer": saved_model_layer(trap)}}),
        ("cls_head", "Functional"),
    ),
    Hostile(".keras: compile_config", compiled("compile_config"), ("compile_config",), opens=True),
    Hostile(".keras: build_config", compiled("build_config"), ("build_config",), opens=True),
]
