"""How our own expectations read in Data Docs: the sentence that each carries for people, and what it was computed from."""

from typing import Any

from great_expectations.render import RenderedStringTemplateContent


def sentence_content(configuration: Any, result: Any, detail: str) -> list[RenderedStringTemplateContent]:
    """The sentence of an expectation's meta, followed by the argument named `detail`."""
    config = configuration or result.expectation_config
    return [
        RenderedStringTemplateContent(
            content_block_type="string_template",
            string_template={
                "template": "$sentence ($detail)",
                "params": {
                    "sentence": (config.meta or {}).get("sentence", config.type),
                    "detail": str(config.kwargs.get(detail)),
                },
            },
        )
    ]
