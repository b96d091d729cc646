"""YAML in which a key given twice is an error; the plain loader keeps the last one in silence."""

from __future__ import annotations

from typing import Any

import yaml

# the same loader over a parser in C, which many builds of PyYAML have; it takes an eighth of the time
_Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeys(_Safe):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            problem = f"`{twice[0]}` is given twice; remove one"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """Return what a YAML text holds; raises yaml.YAMLError where it is none, or gives a key twice."""
    try:
        return yaml.load(text, Loader=_UniqueKeys)
    except (ValueError, RecursionError) as error:  # a date such as 2020-13-45; brackets thousands deep
        raise yaml.YAMLError(str(error)) from None
