"""Towers: one encoder of one modality per file."""

TABLE = {
    "bert": "interlingua.towers.bert:Bert",
    "efficientnet": "interlingua.towers.efficientnet:EfficientNet",
    "grid_view": "interlingua.towers.grid_view:GridView",
    "gru_text": "interlingua.towers.gru_text:GRUText",
    "modified_resnet": "interlingua.towers.modified_resnet:ModifiedResNet",
    "number_columns": "interlingua.towers.number_columns:NumberColumns",
    "text_transformer": "interlingua.towers.text_transformer:TextTransformer",
    "transformers_backbone": "interlingua.towers.transformers_backbone:TransformersBackbone",
    "vit": "interlingua.towers.vit:ViT",
    "whisper_encoder": "interlingua.towers.whisper_encoder:WhisperEncoder",
}
