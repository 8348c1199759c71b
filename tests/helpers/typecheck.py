"""The tests' run-time type checker: beartype, in which a float is also a complex (PEP 484)."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
