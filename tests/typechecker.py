"""The type checker of the tests: beartype, with int accepted where float is meant."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
