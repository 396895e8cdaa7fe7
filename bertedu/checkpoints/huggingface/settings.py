"""Rules for the fields of a Hugging Face directory's JSON files; see `fields`.

The fields are those that transformers 2 to 5 and sentence-transformers 2 to 6 write.
Chapter: notebooks/11_checkpoints.ipynb.
"""

from typing import Any

from bertedu.checkpoints.configuration import ENCODER, GOOGLE_FIELDS, GOOGLE_POOLER, RATE
from bertedu.checkpoints.huggingface.names import ACTIVATIONS, POOLING_FLAGS
from bertedu.checkpoints.objects import LARGEST
from bertedu.fields import ANYTHING, FLAG, IGNORED, Rule, for_all, number, one_of, only, optional, text, whole
from bertedu.vocabulary import SPECIAL_TOKENS

NAMES = Rule("a list of names", lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value))
OBJECT = Rule("an object", lambda value: isinstance(value, dict))
NO_CODE = Rule("no such field, because it names code, which is never run", lambda value: value is None, followed=False)


MODEL = {
    "model_type": only("bert"),
    **{field: ENCODER[argument] for argument, field in GOOGLE_FIELDS.items()},
    "hidden_act": one_of(tuple(ACTIVATIONS)),
    **for_all("hidden_dropout_prob attention_probs_dropout_prob layer_norm_eps", RATE),
    "position_embedding_type": only("absolute", None),
    **for_all("is_decoder is_encoder_decoder add_cross_attention is_causal", only(False, None)),
    "pruned_heads": only({}, None),
    **for_all("quantization_config compression_config per_layer_config function_to_apply", only(None)),
    "transformers_weights": only("model.safetensors", "model.safetensors.index.json", None),
    "auto_map": NO_CODE,
    "architectures": optional(NAMES),
    **for_all("id2label problem_type num_labels _num_labels", ANYTHING),  # see `heads.classifier_arguments`
    "classifier_dropout": optional(RATE),
    "tie_word_embeddings": optional(FLAG),
    "sentence_transformers": optional(OBJECT),
    **for_all("sbert_ce_default_activation_function tokenizer_class", optional(text())),
    **for_all(
        # initialization, origin and format of the weights; which outputs are returned
        "initializer_range dtype torch_dtype _name_or_path name_or_path _commit_hash transformers_version "
        "finetuning_task label2id use_cache output_hidden_states output_attentions output_past output_scores "
        "return_dict return_dict_in_generate torchscript use_bfloat16 tf_legacy_loss xla_device gradient_checkpointing "
        "attn_implementation _attn_implementation _attn_implementation_autoset _attn_implementation_internal "
        "experts_implementation chunk_size_feed_forward cross_attention_hidden_size is_composition "
        "tie_encoder_decoder tie_last_hidden_states keys_to_ignore_at_inference model_name language adapters "
        "pad_token_id bos_token_id eos_token_id sep_token_id cls_token_id mask_token_id unk_token_id "
        "decoder_start_token_id prefix task_specific_params "
        # in Google's multilingual and Chinese BERTs; transformers does not read them
        f"directionality pooler_type {GOOGLE_POOLER} "
        # for text generation
        "max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k "
        "top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size "
        "bad_words_ids num_return_sequences forced_bos_token_id forced_eos_token_id remove_invalid_values "
        "exponential_decay_length_penalty suppress_tokens begin_suppress_tokens",
        IGNORED,
    ),
}
"""config.json."""


def is_token(value: Any, content: str) -> bool:
    """Return whether a token in a tokenizer's settings, a string or an object, is `content`, matched as in BERT."""
    if not isinstance(value, dict):
        return value == content
    plain = all(value.get(flag) in (False, None) for flag in ("lstrip", "rstrip", "single_word", "normalized"))
    return plain and value.get("content") == content


def token(content: str) -> Rule:
    """Return the rule that a special token is `content`."""
    return Rule(f"{content!r}, as in BERT", lambda value: is_token(value, content), followed=False)


NO_TOKEN = Rule(
    f"null or one of {', '.join(SPECIAL_TOKENS)}",
    lambda value: value is None or any(is_token(value, known) for known in SPECIAL_TOKENS),
    followed=False,
)
INPUTS = ("input_ids", "token_type_ids", "attention_mask")
MODEL_INPUTS = Rule(
    f"a list with {', '.join(INPUTS)}, BERT's inputs",
    lambda value: isinstance(value, list) and all(name in value for name in INPUTS),
)
SPECIALS = {
    **{f"{name}_token": token(f"[{name.upper()}]") for name in ("pad", "unk", "cls", "sep", "mask")},
    **for_all("bos_token eos_token", NO_TOKEN),
    **for_all("additional_special_tokens extra_special_tokens", ANYTHING),
}
"""special_tokens_map.json; `tokenizer.with_added_tokens` reads the added tokens."""

TOKENIZER = SPECIALS | {
    "tokenizer_class": optional(text()),
    **for_all("do_lower_case tokenize_chinese_chars", FLAG),
    "strip_accents": optional(FLAG),
    **for_all("model_max_length max_len", optional(number(2, 1e40))),  # 1e30: no limit; max_len before transformers 4
    "added_tokens_decoder": optional(OBJECT),
    "model_input_names": MODEL_INPUTS,
    **for_all("do_basic_tokenize clean_text", only(True)),
    "never_split": only(None, []),
    "wordpieces_prefix": only("##"),
    **for_all("padding_side truncation_side", only("right")),
    "split_special_tokens": only(False),
    "auto_map": NO_CODE,
    **for_all(
        "tokenizer_file vocab_file special_tokens_map_file full_tokenizer_file name_or_path backend is_local use_fast "
        "local_files_only processor_class init_inputs clean_up_tokenization_spaces chat_template max_length stride "
        "truncation_strategy pad_to_multiple_of pad_token_type_id cls_token_id errors add_prefix_space model_type "
        "tokenizer_type trust_remote_code verbose device_map _commit_hash _from_auto",
        IGNORED,
    ),
}
"""tokenizer_config.json."""

TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
TRANSFORMER = {
    "max_seq_length": optional(whole(2, LARGEST)),
    "do_lower_case": optional(FLAG),
    "transformer_task": only("feature-extraction"),
    "modality_config": only(TEXT_ONLY),
    "module_output_name": only("token_embeddings"),
    **for_all("model_args tokenizer_args config_args model_kwargs processor_kwargs config_kwargs", only({}, None)),
    "processing_kwargs": only({}, None),
    **for_all("query_length document_length query_expansion", only(None)),
    **for_all("unpad_inputs cache_dir backend", IGNORED),
}
"""sentence_bert_config.json."""

POOLING = {
    "pooling_mode": ANYTHING,
    "include_prompt": optional(FLAG),
    **dict.fromkeys(POOLING_FLAGS, optional(FLAG)),
    **for_all("word_embedding_dimension embedding_dimension", IGNORED),
}
"""config.json of a Pooling module."""

SENTENCE_TRANSFORMERS = {
    "prompts": optional(OBJECT),
    "default_prompt_name": optional(text()),
    "truncate_dim": optional(whole(1, LARGEST)),
    "model_type": only("SentenceTransformer"),
    "similarity_fn_name": optional(text()),
    **for_all("__version__", IGNORED),
}
"""config_sentence_transformers.json."""
