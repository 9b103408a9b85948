"""BERT as transformers' ``BertModel`` and sentence-transformers save it."""

from __future__ import annotations

from interlingua.layouts.layout import Layout
from interlingua.layouts.rule import Rule
from interlingua.layouts.safetensors_file import read_safetensors, write_safetensors

_LAYER = "encoder.layer.{i}"
_SELF = f"{_LAYER}.attention.self"

BERT_RULES = (
    Rule("token_embedding.weight", "embeddings.word_embeddings.weight"),
    Rule("position_embedding.weight", "embeddings.position_embeddings.weight"),
    Rule("segment_embedding.weight", "embeddings.token_type_embeddings.weight"),
    Rule("embedding_norm.{p}", "embeddings.LayerNorm.{p}"),
    Rule(
        "blocks.{i}.attention.qkv.{p}",
        (f"{_SELF}.query.{{p}}", f"{_SELF}.key.{{p}}", f"{_SELF}.value.{{p}}"),
    ),
    Rule("blocks.{i}.attention.out.{p}", f"{_LAYER}.attention.output.dense.{{p}}"),
    Rule("blocks.{i}.attention_norm.{p}", f"{_LAYER}.attention.output.LayerNorm.{{p}}"),
    Rule("blocks.{i}.feed_forward.up.{p}", f"{_LAYER}.intermediate.dense.{{p}}"),
    Rule("blocks.{i}.feed_forward.down.{p}", f"{_LAYER}.output.dense.{{p}}"),
    Rule("blocks.{i}.feed_forward_norm.{p}", f"{_LAYER}.output.LayerNorm.{{p}}"),
)
BERT_IGNORED = {
    "pooler.dense.*": "the sentence vector is the mean of the states, or the first token's",
    "embeddings.position_ids": "a count from zero",
}

LAYOUT = Layout(
    name="hf_bert",
    rules=BERT_RULES,
    ignored=BERT_IGNORED,
    read_tensors=read_safetensors,
    write_tensors=write_safetensors,
)
