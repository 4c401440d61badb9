"""The command line: ``spiral train | paint | render | eval | status | doctor | conformance | data | version``."""
