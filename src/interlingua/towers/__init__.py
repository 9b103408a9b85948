"""Towers: one encoder of one modality per file."""

TABLE = {
    "bert": "interlingua.towers.bert:Bert",
    "efficientnet": "interlingua.towers.efficientnet:EfficientNet",
    "whisper_encoder": "interlingua.towers.whisper_encoder:WhisperEncoder",
}
