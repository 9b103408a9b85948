"""A look at data before they are trained on: what is there, what is wrong, what can be learned.

``run.py`` looks at a source once; each other file looks at one thing: ``media.py`` decodes,
``texts.py``, ``tokens.py`` and ``languages.py`` read, ``twins.py`` finds what is there twice,
``shared.py`` what training and test have in common, ``learnable.py`` what there is to learn, and
``findings.py`` says what of it matters.
"""
