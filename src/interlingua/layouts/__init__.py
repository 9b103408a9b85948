"""Public checkpoint layouts: one file each, a declarative table of names, both ways."""

TABLE = {
    "ctranslate2_whisper": "interlingua.layouts.ctranslate2_whisper:LAYOUT",
    "efficientnet_lite": "interlingua.layouts.efficientnet_lite:LAYOUT",
    "hf_bert": "interlingua.layouts.hf_bert:LAYOUT",
    "hf_efficientnet": "interlingua.layouts.hf_efficientnet:LAYOUT",
}
