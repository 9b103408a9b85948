"""Public checkpoint layouts: one file each, a declarative table of names, both ways."""

TABLE = {
    "ctranslate2_whisper": "interlingua.layouts.ctranslate2_whisper:LAYOUT",
    "efficientnet_lite": "interlingua.layouts.efficientnet_lite:LAYOUT",
    "hf_align": "interlingua.layouts.hf_align:LAYOUT",
    "hf_bert": "interlingua.layouts.hf_bert:LAYOUT",
    "hf_clip": "interlingua.layouts.hf_clip:LAYOUT",
    "hf_efficientnet": "interlingua.layouts.hf_efficientnet:LAYOUT",
    "hf_siglip": "interlingua.layouts.hf_siglip:LAYOUT",
    "hf_siglip2": "interlingua.layouts.hf_siglip2:LAYOUT",
    "interlingua": "interlingua.layouts.interlingua_folder:LAYOUT",
    "open_clip": "interlingua.layouts.open_clip:LAYOUT",
}
