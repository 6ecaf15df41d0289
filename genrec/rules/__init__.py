"""What a shop decides about a list, whoever it is for: rules, and lists that keep them."""

from genrec.rules.language import NamedRule, Rule, read_rule, read_rules
from genrec.rules.plan import Plan

__all__ = ["NamedRule", "Plan", "Rule", "read_rule", "read_rules"]
